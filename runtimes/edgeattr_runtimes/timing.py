"""What timings say: medians, and how far they can be trusted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_RESAMPLES = 2000  # of the bootstrap
_EVEN = (0.025, 0.975)  # quantiles: a 95 % interval


def median_interval(values: npt.ArrayLike) -> tuple[float, float, float]:
    """The median between the ends of its 95 % interval, by bootstrap; always the same.

    Args:
        values: one for each turn, at least one.
    """
    array = np.asarray(values, np.float64)
    drawn = np.median(np.random.default_rng(0).choice(array, (_RESAMPLES, len(array))), 1)
    low, high = np.quantile(drawn, _EVEN)
    return float(low), float(np.median(array)), float(high)
