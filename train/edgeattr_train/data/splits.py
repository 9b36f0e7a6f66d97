"""Splits in which no person is in two parts, the same on every machine and for good."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError


def check_rows(
    parts: Mapping[str, npt.NDArray[np.int64]], count: int, source: Path
) -> Mapping[str, npt.NDArray[np.int64]]:
    """A split as a file gives it, 1-based rows by part, if it can be one.

    Raises:
        InputError: a row is outside 1..count, or named twice.
    """
    rows = np.concatenate([*parts.values(), np.zeros(0, np.int64)])
    outside = rows[(rows < 1) | (rows > count)]
    if outside.size:
        raise InputError(
            f"{source}: a split names row {outside[0]}; there are rows 1 to {count} only"
        )
    named, times = np.unique(rows, return_counts=True)
    if (times > 1).any():
        raise InputError(
            f"{source}: {int((times > 1).sum())} rows are named twice by one split, such as "
            f"{named[times > 1][0]}; its parts must not overlap"
        )
    return parts


def split_by_person(
    persons: npt.NDArray[np.int64], shares: Mapping[str, float], *, dataset: str, seed: int = 0
) -> dict[str, npt.NDArray[np.int64]]:
    """Deal whole persons out to parts until each has its share of the images.

    Persons are taken in the order of SHA-256("DATASET:SEED:PERSON"), which no library's random
    generator can change. A person goes to the part in whose share the middle of its images falls.

    Args:
        persons: the person of each image, [N].
        shares: part -> share of the images; they sum to 1.
        dataset: name that goes into the order.
        seed: number that goes into the order.

    Returns:
        Part -> positions in ``persons``, ascending.
    """
    unique, inverse, counts = np.unique(persons, return_inverse=True, return_counts=True)
    digests = [hashlib.sha256(f"{dataset}:{seed}:{person}".encode()).digest() for person in unique]
    order = np.array(sorted(range(len(unique)), key=digests.__getitem__), np.int64)
    sizes = counts[order]
    middles = np.empty(len(unique))
    middles[order] = (np.cumsum(sizes) - sizes / 2) / len(persons)
    bounds = np.cumsum(list(shares.values()))[:-1]
    part = np.searchsorted(bounds, middles, side="right")[inverse.ravel()]
    return {name: np.flatnonzero(part == index) for index, name in enumerate(shares)}
