"""Colours of what people wear: histograms that tell people of one stream apart.

They stay in memory, with the person, and no output has them.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image

Colours = npt.NDArray[np.float32]
"""Float32 [N, D], rows of unit length: a histogram's square roots, so that the product of two rows
is their Bhattacharyya coefficient, 0..1."""

_ACROSS = np.linspace(0.2, 0.8, 12)  # of a box's width: where its pixels are taken
_DOWN = np.linspace(0.1, 0.9, 32)  # of its height; the upper half are clothes above the hips
_PIXELS = len(_ACROSS) * len(_DOWN)
_LIGHTNESS, _OPPONENTS = 6, 8  # bins of CIELAB's L, and of its a and b
_MOST_COLOUR = 32  # of a and b from grey; what is beyond counts as that
_BINS = _LIGHTNESS * _OPPONENTS**2  # of a half
_BITS = 6  # of blue, green and red, that a colour's bin is looked up by
_PLACES = np.array([1 << 2 * _BITS, 1 << _BITS, 1])  # of these in the table


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
    pixels = image[y[:, :, None], x[:, None, :]].astype(np.intp) >> 8 - _BITS
    bins = _bin_of_colour()[pixels @ _PLACES].reshape(2 * len(boxes), _PIXELS // 2)
    bins = bins + _BINS * np.arange(2 * len(boxes))[:, None]
    counts = np.bincount(bins.ravel(), minlength=2 * len(boxes) * _BINS)
    return np.sqrt(counts.reshape(len(boxes), 2 * _BINS) / _PIXELS).astype(np.float32)


def above_hips(cut: Colours, whole: Colours) -> float:
    """Similarity of a box that ends at the hips with the upper half of one that does not, 0..1.

    Args:
        cut: of the one, [D].
        whole: of the other, [D].
    """
    upper, both = whole[: len(whole) // 2], cut.reshape(2, -1)
    return float(np.sqrt(2) * upper @ np.sqrt((both**2).sum(0)))


@functools.cache
def _bin_of_colour() -> npt.NDArray[np.uint16]:
    """The bin of each colour, by its blue, green and red, of _BITS bits each."""
    levels = (np.arange(2**_BITS) << 8 - _BITS) + (1 << 8 - _BITS >> 1)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    lab = cv2.cvtColor(colours.reshape(1, -1, 3).astype(np.uint8), cv2.COLOR_BGR2Lab)
    lightness, *opponents = lab[0].astype(np.intp).T
    bins = lightness * _LIGHTNESS // 256
    for value in opponents:
        share = np.clip(value - 128 + _MOST_COLOUR, 0, 2 * _MOST_COLOUR - 1)
        bins = bins * _OPPONENTS + share * _OPPONENTS // (2 * _MOST_COLOUR)
    return np.asarray(bins, np.uint16)
