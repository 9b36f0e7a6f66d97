"""What the benchmarks share: interleaved timing, PETA crops, what Open Model Zoo's 0230 says."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import stack_crops
from edgeattr_train.data.annotations import AttributeDataset

# what 0230 says in our names, or the opposite of it, in the order of its output
PEER = ("male", "", "backpack", "hat", "not short_sleeves", "not shorts", "long_hair", "")

_Way = TypeVar("_Way")


def interleaved(
    runs: Mapping[_Way, Callable[[], object]], *, rounds: int = 9, pause: float = 0.0
) -> dict[_Way, list[float]]:
    """Seconds of each candidate in each round; candidates take turns, after one warm-up each.

    The order goes to and fro, with so many seconds of rest before each.
    """
    for run in runs.values():
        run()
    seconds: dict[_Way, list[float]] = {name: [] for name in runs}
    for turn in range(rounds):
        for name in list(runs) if turn % 2 else list(runs)[::-1]:
            time.sleep(pause)
            start = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def rate(count: int, seconds: list[float]) -> float:
    """Crops per second at the median round."""
    return count / statistics.median(seconds)


def load_crops(data: AttributeDataset, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Every image of a data set at a model's input size, uint8 [N, height, width, 3]."""
    return stack_crops([data.read(index) for index in range(len(data))], height, width)
