"""Frames in which nothing has moved since nobody was found need no detector."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.video.detectors import Detections
from edgeattr.video.sources import Frame

__all__ = ["Found", "StillScene"]

Found = concurrent.futures.Future[Detections]
"""What a detector finds in a frame, sooner or later."""

_WIDTH = 128  # of the small grey picture that is compared, pixels; a detector sees 416 or more
_SAMPLES = 4  # pixels of the frame, at most, from which one of its pixels is made, each way
_CHANGE = 12  # grey levels of one pixel; people come in with 45 and more, noise makes 3 (p50)
_SECONDS = 1.0  # after which a detector looks again, whatever has moved


class _Look(NamedTuple):
    number: int  # of the frame
    picture: npt.NDArray[np.uint8]
    found: Found


class StillScene:
    """Compares frames of one stream with the last one in which a detector found nobody.

    Args:
        late: frames after which the detector's answer counts. It is fixed, and no less than the
            frames that are looked at together, so that a file is processed the same on every
            machine.
    """

    def __init__(self, late: int) -> None:
        self._late = late
        self._looks: collections.deque[_Look] = collections.deque()  # since the last that counts
        self._last: _Look | None = None  # the last that counts
        self._seconds = 0.0  # of the last frame that was looked at

    def detect(self, frame: Frame, look: Callable[[], Found]) -> Found:
        """Who is in the next frame: nobody if nothing has moved, else what ``look`` finds."""
        while self._looks and self._looks[0].number <= frame.index - self._late:
            self._last = self._looks.popleft()
        picture = _small(frame.image)
        recent = frame.seconds - self._seconds < _SECONDS
        if recent and self._last and _shows_nobody(self._last, picture):
            found = Found()
            found.set_result(Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32)))
            return found
        found = look()
        self._looks.append(_Look(frame.index, picture, found))
        self._seconds = frame.seconds
        return found


def _shows_nobody(last: _Look, picture: npt.NDArray[np.uint8]) -> bool:
    """Whether nobody was found in a look that is over, and the picture is like it."""
    found = last.found
    if not found.done() or found.cancelled() or found.exception() or len(found.result()):
        return False
    same_size = last.picture.shape == picture.shape
    return same_size and bool(cv2.absdiff(last.picture, picture).max() < _CHANGE)


def _small(image: Image) -> npt.NDArray[np.uint8]:
    step = max(1, image.shape[1] // (_WIDTH * _SAMPLES))
    sampled = cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_BGR2GRAY)
    height = max(1, round(image.shape[0] / image.shape[1] * _WIDTH))
    return cv2.resize(sampled, (_WIDTH, height), interpolation=cv2.INTER_AREA).astype(
        np.uint8, copy=False
    )
