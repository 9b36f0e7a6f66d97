"""Colours of what people wear: histograms that tell people of one stream apart.

They stay in memory, with the person, and no output has them.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image

__all__ = ["Colours", "clothing_colours"]

Colours = npt.NDArray[np.float32]
"""Float32 [N, D], rows of unit length: a histogram's square roots, so that the product of two rows
is their Bhattacharyya coefficient, 0..1."""

_ACROSS = np.linspace(0.2, 0.8, 12)  # of a box's width: where its pixels are taken
_DOWN = np.linspace(0.1, 0.9, 32)  # of its height; the upper half are clothes above the hips
_LIGHTNESS, _OPPONENTS = 6, 8  # bins of CIELAB's L, and of its a and b
_MOST_COLOUR = 32  # of a and b from grey; what is beyond counts as that


def clothing_colours(image: Image, boxes: npt.NDArray[np.float32]) -> Colours:
    """Histograms of the upper and the lower half of people.

    Args:
        image: uint8 [H, W, 3], BGR.
        boxes: [N, 4], left, top, right, bottom, pixels.
    """
    height, width = image.shape[:2]
    corner, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    x = np.clip(corner[:, :1] + size[:, :1] * _ACROSS, 0, width - 1).astype(np.intp)
    y = np.clip(corner[:, 1:] + size[:, 1:] * _DOWN, 0, height - 1).astype(np.intp)
    taken = image[y[:, :, None], x[:, None, :]].reshape(-1, len(_ACROSS), 3)
    if not len(taken):
        return np.zeros((0, 2 * _LIGHTNESS * _OPPONENTS**2), np.float32)
    lab = cv2.cvtColor(taken, cv2.COLOR_BGR2Lab).astype(np.intp)
    opponents = np.clip(lab[..., 1:] - 128 + _MOST_COLOUR, 0, 2 * _MOST_COLOUR - 1)
    opponents = opponents * _OPPONENTS // (2 * _MOST_COLOUR)
    bins = (lab[..., 0] * _LIGHTNESS // 256 * _OPPONENTS + opponents[..., 0]) * _OPPONENTS
    bins = (bins + opponents[..., 1]).reshape(2 * len(boxes), -1)
    count, each = _LIGHTNESS * _OPPONENTS**2, bins.shape[1]
    bins += count * np.arange(2 * len(boxes))[:, None]
    counts = np.bincount(bins.ravel(), minlength=2 * len(boxes) * count)
    return np.sqrt(counts.reshape(len(boxes), -1) / (2 * each)).astype(np.float32)
