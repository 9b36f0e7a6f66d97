"""Where the model looked, as one sheet per person: made in the background, kept as long as asked.

The sheet of a person is made of the best crop when the person has left. A thread of its own makes
one after the other, on one thread of the processor. At most so many wait: the streams of files
wait some seconds for a place then; live ones, and who finds none, go on without the sheet, which is
counted.
"""

from __future__ import annotations

import collections
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from edgeattr.core.closing import Closing
from edgeattr.core.crops import Image
from edgeattr.core.errors import EdgeAttrError, OutputError
from edgeattr.core.files import make_folder, write_atomically
from edgeattr.core.prediction import TrackRecord
from edgeattr.core.rate_limit import Throttle
from edgeattr.explain import draw_explanation, png_from_image
from edgeattr.model import AttributeModel
from edgeattr.outputs.thumbnails import delete_old

__all__ = ["EvidenceFolder"]

_WAITING = 32  # people; a crop of each is held in memory
_LONGEST_WAIT = 20.0  # seconds for a place: a stream that waits for longer would seem to hang
_LONGEST_CLOSE = 60.0  # seconds that closing goes on with what waits
_LONGEST_LIVE = 5.0  # the same where streams were live: a service has to end soon
_ENDING = "explain.png"
_NICE = 10  # of the thread, where the system can tell threads apart: others come first

_log = logging.getLogger("edgeattr.video")


@dataclass(frozen=True, eq=False)
class _Person:
    """A sheet that is to be made."""

    record: TrackRecord
    crop: Image
    path: Path


class EvidenceFolder(Closing):
    """A folder of sheets, named by the records' ids: ``ID.explain.png``.

    Args:
        folder: made where it is not there.
        model: explains; not closed with the folder.
        retention_days: after which a sheet is deleted; never where absent.
        every: draw every reported attribute, not only those that are answered yes.
        waiting: people whose sheets may wait.

    Raises:
        OutputError: the folder cannot be made.
        UsageError: the model has no attention masks.
    """

    def __init__(
        self,
        folder: Path,
        model: AttributeModel,
        *,
        retention_days: float | None = None,
        every: bool = False,
        waiting: int = _WAITING,
    ) -> None:
        self.written = 0  # sheets
        self.dropped = 0  # sheets for which there was no time
        self.failed = 0  # sheets that could not be made or written
        self._folder, self._days, self._every = folder, retention_days, every
        self._model, self._explained_by = model, model.explained_by
        make_folder(folder)
        self._most = waiting
        self._waiting: collections.deque[_Person] = collections.deque()
        self._changed = threading.Condition()
        self._closed = self._live = self._hurries = False
        self._throttle = Throttle()
        self._thread = threading.Thread(target=self._work, name="explain", daemon=True)
        self._thread.start()

    def keep(self, record: TrackRecord, crop: Image, *, live: bool) -> str | None:
        """Have a person's sheet made.

        Args:
            record: of the person; its id names the file.
            crop: uint8 [h, w, 3], BGR; must not change any more.
            live: whether to go on without the sheet where there is no place; wait otherwise.

        Returns:
            Where it is going to be; None where it is left out.
        """
        path = self._folder / f"{record.id}.{_ENDING}"
        with self._changed:
            self._live |= live
            if not live:
                self._changed.wait_for(
                    lambda: len(self._waiting) < self._most or self._hurries, _LONGEST_WAIT
                )
            if self._closed or len(self._waiting) >= self._most:
                self.dropped += 1
                return None
            self._waiting.append(_Person(record, crop, path))
            self._changed.notify_all()
        return str(path)

    def hurry(self) -> None:
        """Streams are to end: none waits for a place any more."""
        with self._changed:
            self._hurries = True
            self._changed.notify_all()

    def sweep(self) -> int:
        """Delete sheets of ours that are too old; gives how many. Call it now and then."""
        return delete_old(self._folder, self._days, _ENDING)

    def close(self) -> None:
        """Make what waits, for some seconds; the rest is counted as dropped. May be called twice.

        The streams must have ended.
        """
        with self._changed:
            self._closed = self._hurries = True
            self._changed.notify_all()
        self._thread.join(_LONGEST_LIVE if self._live else _LONGEST_CLOSE)
        with self._changed:
            left = len(self._waiting)
            self.dropped += left
            self._waiting.clear()
        if left:
            _log.error("%d sheets were not made in time; events name them", left)

    def _work(self) -> None:
        _step_back()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                person = self._waiting[0]
            try:
                self._make(person)
            except Exception as error:  # one person's sheet does not cost the others'
                self._note(error)
            with self._changed:
                if self._waiting and self._waiting[0] is person:
                    self._waiting.popleft()
                self._changed.notify_all()

    def _make(self, person: _Person) -> None:
        (explanation,) = self._model.explain([person.crop])
        record = person.record
        when = record.time or f"{record.first_s:.1f} to {record.last_s:.1f} s"
        height, width = person.crop.shape[:2]
        notes = [
            f"{record.stream}, {when}, {record.crops_classified} crops classified; the best one, "
            f"{width}x{height} pixels, is shown",
            f"record {record.id}; {self._explained_by}",
        ]
        sheet = draw_explanation(
            explanation,
            f"person {record.track}",
            notes,
            answers=record.attributes,
            every=self._every,
        )
        try:
            write_atomically(person.path, png_from_image(sheet), private=True)
        except OSError as error:
            raise OutputError(f"{person.path}: cannot be written ({error.strerror})") from error
        self.written += 1

    def _note(self, error: Exception) -> None:
        self.failed += 1
        if self._throttle.allows():
            expected = isinstance(error, EdgeAttrError)
            _log.error(
                "%d sheets could not be made so far: %s", self.failed, error,
                exc_info=None if expected else error,
            )  # fmt: skip


def _step_back() -> None:
    """Let the threads that keep up with the streams go first, where threads have priorities."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        except OSError:  # a sandbox may forbid it; nothing depends on it
            _log.debug("the thread that explains keeps its priority", exc_info=True)
