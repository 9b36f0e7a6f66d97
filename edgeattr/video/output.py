"""What takes the results of a pipeline, how it is doing, and the order in which streams write."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from edgeattr.core.crops import Image
from edgeattr.core.errors import EdgeAttrError
from edgeattr.core.prediction import TrackRecord
from edgeattr.core.rate_limit import RateLimit
from edgeattr.video.alerts import Alert
from edgeattr.video.sources import Frame, Source
from edgeattr.video.track_manager import BestCrop
from edgeattr.video.tracker import EarlierBox, TrackedBox

_LOG = logging.getLogger("edgeattr.outputs")
_LONGEST_WAIT = 60.0  # seconds for the pictures that records name, at the end of a file
_LONGEST_LIVE = 5.0  # the same where the stream was live or stopped: a service has to end soon


class Output(Protocol):
    """Takes results of a pipeline: of all its streams, or of one.

    Beside its name it has those of the following that it needs. Several threads may call them at
    the same time.

    ``promise: str``
        One sentence: what is kept, and when. An output without a promise can lose nothing: its
        failures neither count nor end a run.
    ``write(event: Mapping[str, Any]) -> bool | None``
        Takes one event: a person, an update, a stream's summary. Returns once the promise holds
        for it, or raises OutputError; False of an event that it passes over, which is not counted.
    ``begin(source: Source) -> None``
        Called before the first frame of a stream; raises OutputError where it cannot be taken.
    ``write_frame(stream: str, image: Image, seconds: float) -> None``
        Takes one annotated frame, uint8 [H, W, 3] BGR, and its time in the stream.
    ``wants_frame(stream: str) -> bool``
        Whether the next annotated frame is needed; without it, every one is.
    ``write_tracks(stream: str, frame: Frame, people: Sequence[TrackedBox], earlier:
    Sequence[EarlierBox]) -> None``
        Takes who is where in one frame.
    ``keep(record: TrackRecord, crop: Image, *, live: bool) -> Future[str] | None``
        Makes a file of a person who has left, from the best crop, uint8 [h, w, 3] BGR. Returns its
        path, or None where a live stream has to go on without. ``field: str`` names the field of
        the record that takes the path; the record is written once the file exists.
    ``stop_waiting() -> None``
        Streams are to end soon: from now on ``keep`` waits for nothing.
    ``sweep() -> int``
        Deletes pictures past their retention; returns how many. Called now and then.
    ``watch(stream: str, records: Sequence[TrackRecord]) -> None``
        Takes who is in view of a stream, about once a second; must be quick.
    ``announce(cameras: Sequence[Camera]) -> None``
        Takes what cameras there are from now on, with their zones and lines.
    ``delivery() -> DeliveryStatus``
        How sending goes, of an output that sends events on.
    ``close() -> None``
        Completes what is written, or raises OutputError. May be called twice.
    """

    @property
    def name(self) -> str:
        """For logs and metrics; without credentials."""


@dataclass(frozen=True, kw_only=True)
class DeliveryStatus:
    """How an output that sends events on is doing."""

    waiting: int  # events on disk that were not acknowledged yet
    delivered: int  # acknowledged by the other side, since the start
    refused: int  # that the other side will never take; logged and dropped
    why_refused: str = ""  # the latest of them
    dropped: int  # the oldest ones, because the spool was full, since the spool was made
    trouble: str | None  # what has been wrong for a while, in words

    @property
    def nothing_taken(self) -> bool:
        """Whether the other side has refused whatever was sent."""
        return self.refused > 0 and not self.delivered


@dataclass(frozen=True, kw_only=True)
class OutputStatus:
    """How an output is doing: what metrics and health checks are made of."""

    name: str
    written: int  # events, or pictures, that were taken
    failed: int  # that could not be taken
    trouble: str | None  # what is wrong now, in words
    delivery: DeliveryStatus | None  # of an output that sends events on


class FailsafeOutput:
    """Hands results to an output; counts what it takes and what it does not, and raises nothing.

    The first failure is logged, and then one a minute at most.

    Args:
        output: belongs to this object from now on.
    """

    def __init__(self, output: Output) -> None:
        self.name = output.name
        self.field: str | None = getattr(output, "field", None)
        self.written = self.failures = 0
        self.last_failure: str | None = None  # of the latest write that failed
        self._output: Any = output
        self._last_error: str | None = None  # of the latest write, None if it succeeded
        self._lock = threading.Lock()
        self._log_limit = RateLimit()

    @property
    def promises(self) -> bool:
        """Whether anything is lost where it fails."""
        return self.takes("promise")

    def stop_waiting(self) -> None:
        """Tell the output that streams are to end."""
        self._attempt("stop_waiting", counts=False)

    def takes(self, method: str) -> bool:
        """Whether the output has one of the optional methods."""
        return hasattr(self._output, method)

    def begin(self, source: Source) -> str | None:
        """Say that a stream begins. Returns why the output does not take it, or None."""
        return self._attempt("begin", source, counts=False)

    def write(self, event: Mapping[str, Any]) -> str | None:
        """Hand one event on. Returns why it was lost, or None; None without a promise, too."""
        return self._attempt("write", event)

    def wants_frame(self, stream: str) -> bool:
        """Whether the output takes the next annotated frame of a stream."""
        return not self.takes("wants_frame") or bool(self._output.wants_frame(stream))

    def write_frame(self, stream: str, image: Image, seconds: float) -> str | None:
        """Hand one annotated frame on. Returns why it was lost, or None."""
        return self._attempt("write_frame", stream, image, seconds)

    def write_tracks(
        self,
        stream: str,
        frame: Frame,
        people: Sequence[TrackedBox],
        earlier: Sequence[EarlierBox],
    ) -> str | None:
        """Hand on who is where in a frame. Returns why it was lost, or None."""
        return self._attempt("write_tracks", stream, frame, people, earlier)

    def watch(self, stream: str, records: Sequence[TrackRecord]) -> None:
        """Tell who is in view of a stream."""
        self._attempt("watch", stream, records, counts=False)

    def announce(self, cameras: Sequence[Any]) -> None:
        """Tell which cameras there are from now on."""
        self._attempt("announce", cameras, counts=False)

    def keep(
        self, record: TrackRecord, crop: Image, *, live: bool
    ) -> concurrent.futures.Future[str] | None:
        """Have a person's best crop kept. Returns the path to come, None where there is none."""
        try:
            path: concurrent.futures.Future[str] | None
            path = self._output.keep(record, crop, live=live)
        except Exception as error:
            path = concurrent.futures.Future()
            path.set_exception(error)
        if path is not None:
            path.add_done_callback(self._count_picture)
        return path

    def sweep(self) -> int:
        """Delete pictures past their retention. Returns how many."""
        return int(self._output.sweep()) if self.takes("sweep") else 0

    def status(self) -> OutputStatus:
        """How the output is doing."""
        delivery: DeliveryStatus | None = None
        broken: str | None = None
        if self.takes("delivery"):
            try:
                delivery = self._output.delivery()
            except Exception as error:  # a damaged spool, say
                broken = _in_words(error)
        with self._lock:
            return OutputStatus(
                name=self.name,
                written=self.written,
                failed=self.failures,
                trouble=self._last_error or broken or (delivery.trouble if delivery else None),
                delivery=delivery,
            )

    def close(self) -> str | None:
        """Close the output. Returns what could not be completed, or None."""
        return self._attempt("close", counts=False)

    def _attempt(self, method: str, *arguments: Any, counts: bool = True) -> str | None:
        """Call a method if the output has it."""
        call: Callable[..., object] | None = getattr(self._output, method, None)
        if call is None:
            return None
        try:
            taken = call(*arguments)
        except Exception as error:
            return self._note(error)
        if counts and taken is not False:
            self._succeeded()
        return None

    def _count_picture(self, path: concurrent.futures.Future[str]) -> None:
        if path.cancelled():
            return
        if error := path.exception():
            self._note(error)
        else:
            self._succeeded()

    def _succeeded(self) -> None:
        with self._lock:
            self.written += 1
            self._last_error = None

    def _note(self, error: BaseException) -> str | None:
        said = _in_words(error)
        with self._lock:
            self.failures += 1
            self._last_error = self.last_failure = said
            count = self.failures
        if self._log_limit.allows():
            expected = isinstance(error, EdgeAttrError)
            _LOG.error(
                "%s: %d lost so far: %s", self.name, count, said,
                exc_info=None if expected else error,
            )  # fmt: skip
        return said if self.promises else None


def _in_words(error: BaseException) -> str:
    return str(error) if isinstance(error, EdgeAttrError) else repr(error)


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
