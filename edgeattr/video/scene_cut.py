"""Whether a frame shows another scene than the one before: a cut, or a camera that was moved."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image

__all__ = ["SceneCutDetector"]

_WIDTH, _HEIGHT = 32, 18  # of the small picture that is compared, pixels
_STEP = 4  # pixels of the frame that are left out between two that are taken
_CORRELATION = 0.6  # of two small pictures; in videos of one scene 0.88 and more was seen
_FLAT = 3.0  # deviation of grey levels; less shows nothing: a black frame, a covered lens


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
            np.ascontiguousarray(image[::_STEP, ::_STEP]),
            (_WIDTH, _HEIGHT),
            interpolation=cv2.INTER_AREA,
        )
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float64)
        deviation = float(grey.std())
        if deviation < _FLAT:
            return False
        now = (grey - grey.mean()) / deviation
        before, self._last = self._last, now
        return before is not None and float((now * before).mean()) < _CORRELATION
