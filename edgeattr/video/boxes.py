"""Boxes of people, and where the picture's sides cut them off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, pixels."""

Boxes = npt.NDArray[np.float64]
"""[N, 4], left, top, right, bottom, pixels."""

AT_SIDE = 2.0
"""Pixels from a side of the picture, at which a box is cut off by it."""
