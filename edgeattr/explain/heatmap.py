"""A mask as colours over its crop, on one scale for all masks.

Colours tell how many times its even share a place gets: 1 where attention is spread evenly. So a
mask that prefers nothing looks flat, and is not stretched until it seems to. The scale is
logarithmic, and its colours are perceptually uniform (inferno).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image

__all__ = ["TICKS", "colour_bar", "overlay"]

TICKS = (0, 1, 2, 4, 8, 16)  # times an even share, of the colour bar
_FULL = 16.0  # times an even share that has the last colour
_GREY = 0.75  # brightness of the crop under the colours
_LEAST, _MOST = 0.15, 0.8  # of the picture that colours cover, from no attention to the most


def overlay(crop: Image, mask: npt.NDArray[np.float32]) -> Image:
    """Lay a mask over a crop.

    Args:
        crop: uint8 [H, W, 3], BGR.
        mask: [H, W], sums to 1.

    Returns:
        uint8 [H, W, 3]: the crop in grey, coloured.
    """
    strength = _strength(mask * np.float32(mask.size))
    alpha = np.float32(_LEAST) + np.float32(_MOST - _LEAST) * strength
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    beneath = np.float32(_GREY) * grey * (1 - alpha)
    mixed = _colours(strength) * alpha[:, :, None] + beneath[:, :, None]
    return np.asarray(mixed + np.float32(0.5), np.uint8)  # a mean of colours: within 0..255


def colour_bar(height: int, width: int) -> tuple[Image, list[float]]:
    """The scale from left to right, and where :data:`TICKS` lie on it.

    Args:
        height, width: of the bar, pixels.

    Returns:
        uint8 [height, width, 3], and for each tick its place in pixels from the left.
    """
    ramp = np.tile(np.linspace(0.0, 1.0, width, dtype=np.float32), (height, 1))
    places = [float(_strength(np.float32(tick))) * (width - 1) for tick in TICKS]
    return _colours(ramp), places


def _strength(share: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Times an even share, 0 and up -> 0..1."""
    ratio = np.log1p(np.asarray(share, np.float32)) / np.log1p(np.float32(_FULL))
    return np.asarray(np.minimum(ratio, np.float32(1.0)), np.float32)


def _colours(strength: npt.NDArray[np.float32]) -> Image:
    levels = np.rint(255 * strength).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), np.uint8)
