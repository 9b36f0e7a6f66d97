"""Writes events of one stream to every output; a record once the files that it names exist."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edgeattr.core.prediction import TrackRecord
from edgeattr.video.alerts import Alert
from edgeattr.video.output import FailsafeOutput
from edgeattr.video.track_manager import BestCrop

__all__ = ["RecordWriter"]

_LONGEST_WAIT = 60.0  # seconds for the pictures that records name, at the end of a file
_LONGEST_LIVE = 5.0  # the same where the stream was live or stopped: a service has to end soon

_Path = concurrent.futures.Future[str]


class _PendingRecord(NamedTuple):
    """A record that waits for the files that it names."""

    record: TrackRecord
    pictures: Mapping[str, _Path]  # paths, by field of the record


class RecordWriter:
    """Writes a stream's events to its outputs.

    Args:
        outputs: each takes every event, whatever becomes of the others.
    """

    def __init__(self, outputs: Sequence[FailsafeOutput]) -> None:
        self.lost: str | None = None  # why the first event or picture was lost
        self._outputs = outputs
        self._pending: collections.deque[_PendingRecord] = collections.deque()

    def emit(self, event: dict[str, Any]) -> None:
        """Hand an event to every output."""
        for output in self._outputs:
            self.note(output.write(event))

    def note(self, error: str | None) -> None:
        """Remember the first error."""
        self.lost = self.lost or error

    def add(self, record: TrackRecord, best: BestCrop | None, *, live: bool) -> None:
        """Have the files made that show a person, and keep the record until they exist."""
        pictures = {}
        for output in self._outputs if best else ():
            if output.field and best:
                path = output.keep(record, best.image, live=live)
                if path is not None:
                    pictures[output.field] = path
        self._pending.append(_PendingRecord(record, pictures))

    def alert(self, alert: Alert, best: BestCrop | None, *, live: bool) -> None:
        """Hand an alert to every output, once the person's best crop so far is kept where crops
        are; the same file is written anew when the person has left."""
        crop: str | None = None
        for output in self._outputs if best else ():
            if output.field == "crop" and best:
                path = output.keep(alert.person, best.image, live=live)
                if path is None:
                    continue
                if error := path.exception():
                    self.note(str(error) or repr(error))
                else:
                    crop = path.result()
        self.emit(alert.to_json(crop))

    def write_ready(self) -> None:
        """Write records, in order, whose files exist."""
        while self._pending and all(path.done() for path in self._pending[0].pictures.values()):
            record, pictures = self._pending.popleft()
            made: dict[str, Any] = {}
            for field, path in pictures.items():
                if not path.cancelled() and (error := path.exception()):
                    self.note(str(error) or repr(error))
                elif not path.cancelled():
                    made[field] = path.result()
            self.emit(dataclasses.replace(record, **made).to_json())

    def write_all(self, hurried: bool) -> None:
        """Write all records; without those of their files that are not made in time.

        Args:
            hurried: whether the stream was live or stopped, so that little time is left.
        """
        waiting = [path for pending in self._pending for path in pending.pictures.values()]
        _, late = concurrent.futures.wait(waiting, _LONGEST_LIVE if hurried else _LONGEST_WAIT)
        for path in late:
            path.cancel()
        if any(not path.done() for path in late):  # the one that is being made hangs
            self._pending = collections.deque(
                _PendingRecord(
                    record, {name: path for name, path in pictures.items() if path.done()}
                )
                for record, pictures in self._pending
            )
        self.write_ready()
