"""Frames of a video file, on this machine or a web server."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError
from edgeattr.core.limits import available_cores
from edgeattr.video.sources.address import (
    AS_USUAL,
    SourceOptions,
    check_source,
    local_path,
    printable,
    without_password,
)
from edgeattr.video.sources.decoder import Decoder
from edgeattr.video.sources.frame import Frame, StreamLost
from edgeattr.video.status import StreamState

_MISSING_SHARE = 0.02  # of the announced frames may be missing: containers only estimate
_JUMP = 2.0  # seconds between two stamps that are looked into
_GAP = 3600.0  # seconds that a recorder may pause; longer is a stamp that is wrong
_AHEAD = 4  # pictures that are held to see whether stamps return from a jump
_TINY = 1e-3  # seconds between two pictures, at least
_TIMEOUT = (10.0, 10.0)  # seconds to open a file on a web server, and to wait for its data
_THREADS = 4  # that decode one file, at most

_log = logging.getLogger("edgeattr.sources")
_Stamped = tuple[Image, float | None]


class VideoFileSource(Closeable):
    """A video file that can be read once from start to end. A context manager.

    Args:
        address: a path, a ``file://`` address, or a video file on a web server.
        name: what the stream is called; the address where empty.
        options: how it is read.

    Raises:
        InputError: missing, or not a video that can be decoded.
    """

    live = False
    reconnects = 0

    def __init__(self, address: str, *, name: str = "", options: SourceOptions = AS_USUAL) -> None:
        self.name = name or printable(without_password(address))
        self.state: StreamState = "connecting"
        self.error: str | None = None
        self.endless = options.loop
        self._address, self._options = address, options
        self._stopped = threading.Event()
        self._open()

    def frames(self) -> Iterator[Frame]:
        """Every frame that can be decoded, in order, at the container's times."""
        index, base = 0, 0.0
        while True:
            seconds = 0.0
            for image, seconds in steady_times(self._pictures(), 1 / self.rate):
                if self._stopped.is_set():
                    break
                yield Frame(image, index, base + seconds)
                index += 1
                self._read += 1
                self._last = seconds
            if not self._options.loop or self._stopped.is_set():
                self.state = "ended"
                return
            base += seconds + 1 / self.rate
            self._decoder.close()
            self._open()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame, pixels."""
        return self._size

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded."""
        return self._decoder.damaged

    @property
    def shortfall(self) -> str | None:
        """After the last frame: what is missing of the video, or None where all of it came."""
        if self._stopped.is_set() or self._options.loop:
            return None
        most, duration = 1 - _MISSING_SHARE, self._decoder.duration
        if self._counted:
            if self._read >= self._counted * most - 1:
                return None
            missing = f"only {self._read} of {self._counted} frames"
        elif duration is None or self._last >= duration * most - 1:
            return None
        else:
            missing = f"only {self._last:.1f} of {duration:.1f} seconds"
        return f"{self.name}: {missing} can be decoded; the file is cut off or damaged"

    def stop(self) -> None:
        """See :meth:`edgeattr.video.sources.Source.stop`."""
        self._stopped.set()

    def close(self) -> None:
        """Release the decoder. May be called twice."""
        self._decoder.close()

    def _open(self) -> None:
        check_source(self._address)
        path = local_path(self._address)
        try:
            self._decoder = Decoder(
                self._address if path is None else f"file:{path}",
                timeout=_TIMEOUT if path is None else None,
                hwaccel=self._options.hwaccel,
                threads=min(_THREADS, available_cores()),
            )
        except StreamLost as error:
            raise InputError(_why(self._address, path, error)) from error
        self.rate, duration = self._decoder.rate, self._decoder.duration
        self._counted = self._decoder.frame_count
        estimate = round(duration * self.rate) if duration else None
        self.announced_frames = None if self._options.loop else self._counted or estimate
        self._read, self._last = 0, 0.0
        self._rest = self._until_broken()
        self._first = next(self._rest, None)
        if self._first is None:
            self.close()
            raise InputError(f"{self.name}: opened, but not one frame of it can be decoded")
        self._size = self._first[0].shape[1], self._first[0].shape[0]
        self.state = "running"

    def _pictures(self) -> Iterator[_Stamped]:
        first, self._first = self._first, None  # it is not held for ever
        if first is not None:
            yield first
        yield from self._rest

    def _until_broken(self) -> Iterator[_Stamped]:
        """The pictures that can be decoded; :attr:`shortfall` tells what is missing."""
        try:
            yield from filter(None, self._decoder.pictures())
        except StreamLost as error:
            _log.warning("%s %s", self.name, error)


def steady_times(pictures: Iterator[_Stamped], step: float) -> Iterator[tuple[Image, float]]:
    """Seconds since the first picture, rising, whatever the stamps do.

    Stamps that go back or jump, and return within a few pictures, are wrong; those pictures get
    even steps. Where stamps do not return, a pause of up to an hour is believed; after stamps that
    went back (they wrap, or the recorder's clock was set) time goes on from there.

    Args:
        pictures: and their stamps, seconds; None where there are none.
        step: seconds between two pictures, to go by where stamps are not believed.
    """
    held: list[_Stamped] = []
    now, offset = -step, 0.0  # seconds of the picture before; stamp + offset = seconds
    last: float | None = None  # the last stamp that was believed
    while picture := held.pop(0) if held else next(pictures, None):
        image, stamp = picture
        if stamp is None:
            now += step
        elif last is not None and 0 < stamp - last <= max(_JUMP, 3 * step):
            now, last = max(now + _TINY, stamp + offset), stamp
        else:
            held += itertools.islice(pictures, _AHEAD - len(held))
            back = None if last is None else _return_from(stamp, last, held, step)
            if back:  # so many pictures later the stamps are right again
                number, right = back
                now += max(_TINY, right + offset - now) / (number + 1)
            else:
                if last is None or not 0 < stamp - last <= max(_GAP, 10 * step):
                    offset = now + step - stamp
                now, last = stamp + offset, stamp
        yield image, now


def _return_from(
    stamp: float, last: float, following: list[_Stamped], step: float
) -> tuple[int, float] | None:
    """Number and stamp of the picture after a jump that goes on from ``last``."""
    limit = last + max(_JUMP, 3 * step) + _AHEAD * step
    for number, (_, later) in enumerate(following, 1):
        if later is not None and last < later <= limit and not last < stamp < later:
            return number, later
    return None


def _why(address: str, path: str | None, error: StreamLost) -> str:
    shown = printable(without_password(address))
    if path is None:
        return f"{shown} {error}"
    return (
        f"{shown}: not a video that can be decoded: it {error}. Does a player show it? Then "
        "convert it: ffmpeg -i FILE -c:v libx264 new.mp4"
    )
