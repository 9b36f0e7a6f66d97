"""Frames of a video file, read with OpenCV."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import cv2
import numpy as np

from edgeattr.core.closing import Closing
from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError
from edgeattr.core.limits import available_cores
from edgeattr.video.sources.address import (
    AS_USUAL,
    SourceOptions,
    check_source,
    local_path,
    without_password,
)
from edgeattr.video.sources.frame import Frame
from edgeattr.video.status import StreamState

__all__ = ["VideoFileSource", "believed_rate"]

_DEFAULT_RATE = 25.0  # frames/s where the file does not say, as raw H.264 does not
_RATES = (1.0, 240.0)  # what a file may say and be believed
_RETRIES = 60  # failed reads in a row, inside a file, before it is given up
_MISSING_SHARE = 0.02  # of the announced frames may be missing: containers only estimate


class VideoFileSource(Closing):
    """A video file that can be read once from start to end. A context manager.

    OpenCV decodes: on files it takes three quarters of the time of PyAV
    (``benchmarks/decoding.py``).

    Args:
        address: a path, a ``file://`` address, or a video file on a web server.
        name: what the stream is called; the address where empty.
        options: how it is read.

    Raises:
        InputError: missing, or not a video that can be decoded.
    """

    live = False
    reconnects = 0
    damaged = 0  # OpenCV passes over what it cannot decode, and does not count

    def __init__(self, address: str, *, name: str = "", options: SourceOptions = AS_USUAL) -> None:
        self.name = name or without_password(address)
        self.state: StreamState = "connecting"
        self.error: str | None = None
        self.endless = options.loop
        self._address, self._options = address, options
        self._stopped = threading.Event()
        self._read = 0
        self._first: Image | None = None
        self._open()

    def frames(self) -> Iterator[Frame]:
        """Every frame that can be decoded, in order, at the container's times."""
        index, base = 0, 0.0
        while True:
            image, self._first = self._first, None  # it is not held for ever
            seconds = 0.0
            while image is not None and not self._stopped.is_set():
                yield Frame(image, index, base + seconds)
                index += 1
                self._read += 1
                image = self._next_image()
                seconds = self._time_after(seconds)
            if not self._options.loop or self._stopped.is_set():
                self.state = "ended"
                return
            base += seconds
            self._capture.release()
            self._open()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame, pixels."""
        return self._size

    @property
    def shortfall(self) -> str | None:
        """After the last frame: what is missing of the video, or None where all of it came."""
        announced = self.announced_frames
        if announced is None or self._stopped.is_set():
            return None
        if self._read >= announced * (1 - _MISSING_SHARE) - 1:
            return None
        return (
            f"{self.name}: only {self._read} of {announced} frames can be decoded; "
            "the file is cut off or damaged"
        )

    def stop(self) -> None:
        """See :meth:`edgeattr.video.sources.Source.stop`."""
        self._stopped.set()

    def close(self) -> None:
        """Release the decoder. May be called twice."""
        self._capture.release()

    def _open(self) -> None:
        self._capture = _capture_of(self._address)
        self.rate = believed_rate(float(self._capture.get(cv2.CAP_PROP_FPS)))
        frames = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        known = math.isfinite(frames) and 0 < frames < 1e9 and not self._options.loop
        self.announced_frames = int(frames) if known else None
        self._read = 0
        first = self._next_image()
        self._start = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        if first is None:
            self.close()
            raise InputError(f"{self.name}: opened, but not one frame of it can be decoded")
        self._first = first
        self._size = first.shape[1], first.shape[0]
        self.state = "running"

    def _next_image(self) -> Image | None:
        """The next picture that can be decoded; damaged ones inside a file are passed over."""
        inside = self.announced_frames is not None and self._read < self.announced_frames
        for _ in range(_RETRIES if inside else 1):
            ok, image = self._capture.read()
            if ok and image is not None:
                return image.astype(np.uint8, copy=False)
        return None

    def _time_after(self, seconds: float) -> float:
        """The container's time of the picture just read, or one step on where it has none."""
        told = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000 - self._start
        return told if seconds < told < math.inf else seconds + 1 / self.rate


def believed_rate(rate: float) -> float:
    """Frames per second that a stream says it has, or 25 where that cannot be."""
    believable = math.isfinite(rate) and _RATES[0] <= rate <= _RATES[1]
    return rate if believable else _DEFAULT_RATE


def _capture_of(address: str) -> cv2.VideoCapture:
    check_source(address)
    capture = cv2.VideoCapture(
        local_path(address) or address, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, available_cores()]
    )
    if not capture.isOpened():
        capture.release()
        raise InputError(
            f"{without_password(address)}: not a video that can be decoded. Does a player show "
            "it? Then convert it: ffmpeg -i FILE -c:v libx264 new.mp4"
        )
    return capture
