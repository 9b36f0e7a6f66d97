"""Frames of a video file, camera or stream, read with OpenCV."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgeattr.closing import Closing
from edgeattr.crops import Image
from edgeattr.errors import InputError

__all__ = ["Frame", "VideoSource"]

_DEFAULT_RATE = 25.0  # frames/s where the file does not say, as raw H.264 does not
_RATES = (1.0, 240.0)  # what a file may say and be believed
_RETRIES = 60  # failed reads in a row, inside a file, before it is given up
_MISSING_SHARE = 0.02  # of the announced frames may be missing: containers only estimate


@dataclass(frozen=True)
class Frame:
    """One picture of a stream."""

    image: Image  # uint8 [H, W, 3], BGR
    index: int  # from 0
    seconds: float  # from the start of the stream


class VideoSource(Closing):
    """A video that can be read once from start to end. A context manager.

    Args:
        source: a file, a camera's number, or an address that OpenCV's FFmpeg understands.

    Raises:
        InputError: missing, or not a video that can be decoded.
    """

    def __init__(self, source: str) -> None:
        self.name = _without_password(source)
        self._capture = _open(source)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        believable = math.isfinite(rate) and _RATES[0] <= rate <= _RATES[1]
        self.rate = rate if believable else _DEFAULT_RATE
        frames = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        known = math.isfinite(frames) and 0 < frames < 1e9
        self.announced_frames = int(frames) if known else None  # None: not known
        self._read = 0
        self._first = self._next_image()
        self._start = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        if self._first is None:
            self.close()
            raise InputError(f"{self.name}: opened, but not one frame of it can be decoded")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame, pixels."""
        assert self._first is not None
        return self._first.shape[1], self._first.shape[0]

    def frames(self) -> Iterator[Frame]:
        """Every frame that can be decoded, in order, at the container's times."""
        image, seconds = self._first, 0.0
        while image is not None:
            yield Frame(image, self._read, seconds)
            self._read += 1
            image = self._next_image()
            seconds = self._time_after(seconds)

    @property
    def shortfall(self) -> str | None:
        """After the last frame: what is missing of the video, or None where all of it came."""
        announced = self.announced_frames
        if announced is None or self._read >= announced * (1 - _MISSING_SHARE) - 1:
            return None
        return (
            f"{self.name}: only {self._read} of {announced} frames can be decoded; "
            "the file is cut off or damaged"
        )

    def close(self) -> None:
        """Release the decoder. May be called twice."""
        self._capture.release()

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


def _without_password(source: str) -> str:
    """An address without the user's name and password, for logs and events."""
    return re.sub(r"(?<=://)[^/@]*@", "", source)


def _open(source: str) -> cv2.VideoCapture:
    if not source or "\0" in source or source != source.encode(errors="replace").decode():
        raise InputError(f"{source!r}: not a name that OpenCV can open; rename the file")
    if source.isdecimal():
        capture = cv2.VideoCapture(int(source))
    elif "://" in source:
        capture = cv2.VideoCapture(source)
    else:
        path = Path(source)
        if not path.exists():
            raise InputError(f"{source}: no such file")
        if path.is_dir():
            raise InputError(f"{source}: is a directory; name the video files inside it")
        if path.stat().st_size == 0:
            raise InputError(f"{source}: is empty")
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        capture.release()
        raise InputError(
            f"{_without_password(source)}: not a video that can be decoded. Is the camera there, "
            "does a player show the file? Then convert it: ffmpeg -i FILE -c:v libx264 new.mp4"
        )
    return capture
