"""Which crops calibrate INT8: a seeded sample that shows every attribute."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from edgeattr.crops import resize_crop
from edgeattr.errors import InputError
from edgeattr_train.datasets import AttributeDataset

__all__ = ["calibration_crops", "digest", "sample", "sampled_crops"]

MINIMUM = 100  # images below which ranges are guesswork


def sample(labels: npt.NDArray[np.int8], count: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Pick images so that each attribute's positives are there, rare ones first.

    Args:
        labels: [N, C], 1 yes, 0 no, -1 unknown.
        count: images wanted.
        seed: of the choice.

    Returns:
        Positions, [min(count, N)], sorted.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    per_attribute = max(1, count // (2 * labels.shape[1]))
    chosen: dict[int, None] = {}
    for attribute in np.argsort((labels > 0).sum(0), kind="stable"):
        positives = order[labels[order, attribute] > 0]
        chosen.update(dict.fromkeys(map(int, positives[:per_attribute])))
    chosen.update(dict.fromkeys(map(int, order)))
    return np.sort(np.fromiter(chosen, np.int64)[:count])


def calibration_crops(
    data: AttributeDataset, height: int, width: int, *, count: int = 512, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """Sampled crops at the model's size, uint8 [n, height, width, 3].

    Raises:
        InputError: fewer than 100 images, or one cannot be read.
    """
    if len(data) < MINIMUM:
        raise InputError(
            f"{len(data)} calibration images are too few for INT8; give at least {MINIMUM}"
        )
    return sampled_crops(data, height, width, count=count, seed=seed)


def sampled_crops(
    data: AttributeDataset, height: int, width: int, *, count: int, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """The crops that :func:`sample` picks, uint8 [n, height, width, 3].

    Raises:
        InputError: an image cannot be read.
    """
    chosen = data.take(sample(data.labels, count, seed))
    return np.stack([resize_crop(chosen.read(k), height, width) for k in range(len(chosen))])


def digest(crops: npt.NDArray[np.uint8]) -> str:
    """SHA-256 of the calibration crops' pixels."""
    return hashlib.sha256(np.ascontiguousarray(crops).tobytes()).hexdigest()
