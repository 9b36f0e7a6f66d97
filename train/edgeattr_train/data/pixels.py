"""What crops look like, in four figures: told of the training data, asked of others."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from edgeattr.core.crops import Image, evenly, resize_crop
from edgeattr_train.data.annotations import AttributeDataset

_IMAGES = 1000  # of a data set: their means are known to a few hundredths of a deviation
_FULL = 255.0  # a byte's largest value


def pixel_statistics(crops: Iterable[Image]) -> dict[str, list[float]]:
    """Mean and deviation over the images of each figure, all of them 0..1.

    ``brightness`` is an image's mean grey, ``contrast`` its grey's deviation, ``saturation`` the
    mean difference of its strongest and weakest channel, ``sharpness`` the mean size of its
    Laplacian.

    Args:
        crops: uint8 [h, w, 3], at least one; of one size, as sharpness depends on it.
    """
    rows = np.array([_figures(crop) for crop in crops])
    names = ("brightness", "contrast", "saturation", "sharpness")
    return {
        name: [round(float(rows[:, k].mean()), 4), round(float(rows[:, k].std()), 4)]
        for k, name in enumerate(names)
    }


def statistics_of(data: AttributeDataset, height: int, width: int) -> dict[str, list[float]]:
    """:func:`pixel_statistics` of up to 1,000 evenly chosen crops at the model's size.

    Raises:
        InputError: an image cannot be read.
    """
    chosen = evenly(len(data), _IMAGES)
    return pixel_statistics(resize_crop(data.read(int(k)), height, width) for k in chosen)


def _figures(crop: Image) -> tuple[float, float, float, float]:
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    return (
        float(grey.mean()) / _FULL,
        float(grey.std()) / _FULL,
        float(np.mean(crop.max(2).astype(np.int16) - crop.min(2))) / _FULL,
        float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean()) / _FULL,
    )
