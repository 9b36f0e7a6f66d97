"""Moving shapes, where no detector is at hand."""

from __future__ import annotations

import cv2
import numpy as np

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.video.detectors.protocol import Detections


class MotionDetector(Closeable):
    """Upright moving shapes in front of a still camera: a stand-in that needs no download.

    It takes two people who touch for one, misses those who stand still, and takes anything
    upright that moves for a person.
    """

    name = "motion"
    engine = "opencv"
    precision = "as it is"
    in_order = True  # each camera has a background of its own
    _WIDTH = 384  # pixels at which motion is looked for
    _WARM_UP = 100  # frames in which the background is learnt fast
    _LEARN = 0.005  # by this share a frame; a tenth is believed: twenty frames of standing still
    _FORGET = 0.0005  # and then by this share: two hundred frames
    _SMALLEST = 0.15  # of the picture's height
    _WIDEST = 0.4  # of its width: more is a change of light
    _UPRIGHT = (1.2, 5.0)  # height over width
    _SCORE = 0.8

    def __init__(self) -> None:
        self._background = cv2.createBackgroundSubtractorMOG2(varThreshold=20, detectShadows=True)
        self._seen = 0

    def detect(self, image: Image) -> Detections:
        """See :meth:`Detector.detect`."""
        ratio = min(1.0, self._WIDTH / image.shape[1])
        small = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        self._seen += 1
        rate = self._LEARN if self._seen <= self._WARM_UP else self._FORGET
        mask = self._background.apply(_level(small.astype(np.uint8, copy=False)), learningRate=rate)
        if self._seen < 3:  # the first frames are all foreground
            return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
        mask = cv2.threshold(mask, 200, 255, cv2.THRESH_BINARY)[1]  # shadows are 127
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((25, 13), np.uint8))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        people = [
            (x, y, x + w, y + h)
            for x, y, w, h in map(cv2.boundingRect, contours)
            if h >= self._SMALLEST * mask.shape[0]
            and w <= self._WIDEST * mask.shape[1]
            and self._UPRIGHT[0] <= h / w <= self._UPRIGHT[1]
        ]
        found = np.array(people, np.float32).reshape(-1, 4) / ratio
        found = np.minimum(found, np.array([*image.shape[1::-1]] * 2, np.float32))
        return Detections(found, np.full(len(found), self._SCORE, np.float32))

    def for_stream(self) -> MotionDetector:
        """A fresh one: each camera has a background of its own."""
        return MotionDetector()

    def close(self) -> None:
        """There is nothing to release."""


def _level(image: Image) -> Image:
    """Undo changes of exposure and white balance: each channel's median becomes 128."""
    gains = 128.0 / np.maximum(np.median(image, axis=(0, 1)), 1.0)
    blurred = cv2.GaussianBlur(image, (5, 5), 0)
    levelled: Image = np.clip(blurred * gains, 0, 255).astype(np.uint8)
    return levelled
