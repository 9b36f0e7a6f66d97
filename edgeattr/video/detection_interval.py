"""Which frames the detector sees: fewer under load, none of a still scene; and where scenes end."""

from __future__ import annotations

import collections
import concurrent.futures
import time
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.video.detectors import Detections
from edgeattr.video.sources import Frame

_HASTE = 1.0  # seconds between two steps to fewer detections
_PATIENCE = 5.0  # seconds without a lost frame before a step to more
_WIDTH = 128  # of the small grey picture that is compared, pixels; a detector sees 416 or more
_SAMPLES = 4  # pixels of the frame, at most, from which one of its pixels is made, each way
_CHANGE = 12  # grey levels of one pixel; people come in with 45 and more, noise makes 3 (p50)
_SECONDS = 1.0  # after which a detector looks again, whatever has moved
_CUT_SIZE = 32, 18  # of the small picture that tells a cut, pixels
_CUT_STEP = 4  # pixels of the frame that are left out between two that are taken
_CORRELATION = 0.6  # of two small pictures; in videos of one scene 0.88 and more was seen
_FLAT = 3.0  # deviation of grey levels; less shows nothing: a black frame, a covered lens


class DetectionInterval:
    """Chooses the frames to detect people in; between them the tracker predicts where they are.

    A stream that drops frames is searched less often, one frame in two, then one in three, until
    none is lost; after a while without a loss it is tried more often again.

    Args:
        every: one frame in so many, to begin with and at least.
        most: one frame in so many, at most; less than ``every`` to keep it fixed. May be changed.
        clock: seconds.
    """

    def __init__(
        self, every: int = 1, *, most: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.every, self.most = every, most
        self._least, self._clock = every, clock
        self._started = False  # the detector always runs on the first frame
        self._since = 0  # frames since the last detection
        self._lost = 0
        self._changed = clock()

    def is_due(self, lost: int) -> bool:
        """Whether to detect people in the next frame.

        Args:
            lost: frames of the stream that were dropped so far.
        """
        self._adapt(lost)
        self._since += 1
        if self._since < self.every and self._started:
            return False
        self._since, self._started = 0, True
        return True

    def _adapt(self, lost: int) -> None:
        now = self._clock()
        if lost > self._lost:
            if self.every < self.most and now - self._changed >= _HASTE:
                self.every += 1
                self._changed = now
            elif self.every >= self.most:
                self._changed = now
        elif self.every > self._least and now - self._changed >= _PATIENCE:
            self.every -= 1
            self._changed = now
        self._lost = lost


Found = concurrent.futures.Future[Detections]
"""What a detector finds in a frame, sooner or later."""


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


class SceneCutDetector:
    """Compares each frame of a stream with the last one that showed anything."""

    def __init__(self) -> None:
        self._last: npt.NDArray[np.float64] | None = None  # normalised grey levels

    def is_cut(self, image: Image) -> bool:
        """Take in the next frame.

        Args:
            image: uint8 [H, W, 3], BGR.

        Returns:
            Whether it shows another scene than the frame before. Light that is switched, or
            somebody who passes close by, changes the scene less than a cut.
        """
        small = cv2.resize(
            np.ascontiguousarray(image[::_CUT_STEP, ::_CUT_STEP]),
            _CUT_SIZE,
            interpolation=cv2.INTER_AREA,
        )
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float64)
        deviation = float(grey.std())
        if deviation < _FLAT:
            return False
        now = (grey - grey.mean()) / deviation
        before, self._last = self._last, now
        return before is not None and float((now * before).mean()) < _CORRELATION
