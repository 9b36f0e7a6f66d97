"""A live source: it is connected to again and again, however often it is lost."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.core.errors import MissingDependency, UsageError
from edgeattr.core.rate_limit import RateLimit
from edgeattr.video.sources.frame import Connection, Frame, StreamLost
from edgeattr.video.status import StreamState

_STEADY = 5.0  # seconds of pictures after which the next loss is a new one
_JUMP = 2.0  # seconds between two frames' own times that are not believed
_SLEW = 0.01  # of the time that passed: by how much a clock that is behind ours is pulled
_LATE = 0.25  # seconds by which a clock may be off
_HOLD = 0.9  # of the time that passed: by how much one that is further ahead is held back
_WINDOW = 0.8  # seconds in which every frame is later: the clock is set by ours
_REPEAT = 60.0  # seconds between two lines of the log about one trouble

_log = logging.getLogger("edgeattr.sources")


class LiveSource(Closeable):
    """A camera or a network stream. A context manager.

    Frames carry the stream's own times, moved so that they begin at 0 and go on after a pause as
    our clock does.

    Args:
        name: what the stream is called.
        connect: opens a connection, or raises :class:`StreamLost`.
        waits_s: before each further try, times 0.5 to 1 at random; the last one again and again.
    """

    live = endless = True
    announced_frames: int | None = None
    shortfall: str | None = None

    def __init__(
        self,
        name: str,
        connect: Callable[[], Connection],
        *,
        waits_s: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 3.0),
    ) -> None:
        self.name = name
        self.rate = 25.0
        self.size: tuple[int, int] | None = None
        self.state: StreamState = "connecting"
        self.error: str | None = None
        self.reconnects = 0
        self._connect, self._waits_s = connect, waits_s
        self._stopped = threading.Event()
        self._damaged_before = 0
        self._connection: Connection | None = None
        self._clock = StreamClock()
        self._index = 0
        self._finite = False
        self._since = math.inf  # when pictures began to come
        self._said: tuple[str, float] = "", -_REPEAT
        self._back = RateLimit(_REPEAT)  # "is back" is said

    def frames(self) -> Iterator[Frame]:
        """Every picture that comes until :meth:`stop`. See :class:`Source`."""
        tries = 0
        while not self._stopped.is_set():
            try:
                yield from self._until_lost()
                if self._stopped.is_set() or self._finite:
                    break
                raise StreamLost("was ended by its sender")
            except (UsageError, MissingDependency):
                raise  # trying again would not help
            except Exception as error:  # a camera may send whatever breaks a decoder
                self._lost(error)
            if time.monotonic() - self._since >= _STEADY:
                tries = 0
            pause = self._waits_s[min(tries, len(self._waits_s) - 1)]
            self._stopped.wait(pause * random.uniform(0.5, 1.0))
            tries += 1
        self.state = "ended"

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded."""
        return self._damaged_before + (self._connection.damaged if self._connection else 0)

    def stop(self) -> None:
        """See :meth:`edgeattr.video.sources.Source.stop`."""
        self._stopped.set()

    def close(self) -> None:
        """The connection ends with :meth:`frames`. May be called twice."""
        self._stopped.set()

    def _until_lost(self) -> Iterator[Frame]:
        self._since = math.inf
        connection = self._connection = self._connect()
        self._finite = connection.finite
        self.rate = connection.rate
        try:
            pictures = connection.pictures()
            for number, (image, stamp) in enumerate(pictures):
                if self._stopped.is_set():
                    return
                if number == 0:
                    self._found(image)
                seconds = self._clock.seconds(stamp, first=number == 0)
                yield Frame(image, self._index, seconds, self._clock.began)
                self._index += 1
        finally:
            self._damaged_before, self._connection = self.damaged, None
            connection.close()

    def _found(self, image: Image) -> None:
        self.size = image.shape[1], image.shape[0]
        if self._index:
            self.reconnects += 1
            if self._back.allows():
                _log.info("%s is back, %dx%d", self.name, *self.size)
        self.state, self.error = "running", None
        self._since = time.monotonic()

    def _lost(self, error: Exception) -> None:
        text = str(error) if isinstance(error, StreamLost) else f"failed ({error!r})"
        now = time.monotonic()
        if self.state == "running":
            self.state = "stalled"
        self.error = text
        if text != self._said[0] or now - self._said[1] >= _REPEAT:
            self._said = text, now
            _log.warning("%s %s; trying again", self.name, text)


class StreamClock:
    """Seconds since the first frame of all, by the stream's own clock as far as it can be true.

    The stream's clock spaces frames better than their arrival does, but drifts, jumps, and may run
    at another speed. No frame comes before it was taken, so a clock that is ahead of ours is held
    back quickly. One that is behind is pulled gently, since frames may have been delayed on their
    way, and set where every frame of some seconds is late.
    """

    def __init__(self) -> None:
        self._start: float | None = None
        self._offset = 0.0  # what is added to the stream's times
        self._last_stamp: float | None = None  # the last frame's own time
        self._last = 0.0
        self._window = 0.0  # when the window began in which delays are compared
        self._delay = math.inf  # the least in it

    @property
    def began(self) -> float:
        """Second 0, in seconds since the epoch, by the system's clock of now."""
        now = time.monotonic()
        return time.time() - (now - (now if self._start is None else self._start))

    def seconds(self, stamp: float | None, *, first: bool) -> float:
        """The time of a frame that has just come.

        Args:
            stamp: the stream's own time, seconds.
            first: whether it is the first frame of a connection.
        """
        now = time.monotonic()
        if self._start is None:
            self._start = now
        passed = now - self._start
        self._last = max(self._last, passed if stamp is None else self._by(stamp, passed, first))
        self._last_stamp = stamp
        return self._last

    def _by(self, stamp: float, passed: float, first: bool) -> float:
        """The time by the stream's clock, when so many seconds have passed on ours."""
        step = math.inf if first or self._last_stamp is None else stamp - self._last_stamp
        if not 0 <= step <= _JUMP:
            self._offset = passed - stamp
            self._window, self._delay = passed, math.inf
            return passed
        delay = passed - (stamp + self._offset)
        if passed - self._window >= _WINDOW:
            if _LATE < self._delay < math.inf:
                self._offset, delay = passed - stamp, 0.0
            self._window, self._delay = passed, math.inf
        self._delay = min(self._delay, delay)
        slew = (_HOLD if delay < -_LATE else _SLEW) * step
        self._offset += min(max(delay, -slew), _SLEW * step)
        return stamp + self._offset
