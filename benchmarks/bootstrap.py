"""Intervals by drawing persons again: images of one person are not independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

_DRAWS = 1000
_SEED = 0


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.worded(2)

    def worded(self, digits: int) -> str:
        """``0.32 (0.31 to 0.33)``."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def mean_of(values: npt.ArrayLike, persons: npt.ArrayLike) -> Estimate:
    """The mean over images, [N]; at least one."""
    numbers = np.asarray(values, np.float64)
    return estimate(float(numbers.mean()), _means(numbers, np.asarray(persons), _SEED))


def difference(
    first: npt.ArrayLike, persons: npt.ArrayLike, second: npt.ArrayLike, others: npt.ArrayLike
) -> Estimate:
    """Mean of ``first`` less mean of ``second``; each with the persons of its images."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    draws = _means(a, np.asarray(persons), _SEED) - _means(b, np.asarray(others), _SEED + 1)
    return estimate(float(a.mean() - b.mean()), draws)


def image_weights(persons: npt.ArrayLike, seed: int = _SEED) -> _Floats:
    """How often each image is there when persons are drawn again: [draws, N]."""
    _, place = np.unique(np.asarray(persons), return_inverse=True)
    count = int(place.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1 / count), _DRAWS)
    return drawn[:, place].astype(np.float64)


def estimate(value: float, draws: _Floats) -> Estimate:
    """A figure with the interval that its values in the draws give; undefined ones do not count."""
    low, high = np.nanpercentile(draws, (2.5, 97.5))
    return Estimate(value, float(low), float(high))


def _means(values: _Floats, persons: npt.NDArray[np.int64], seed: int) -> _Floats:
    weights = image_weights(persons, seed)
    return np.asarray(weights @ values / weights.sum(1))
