"""Whether probabilities mean what they say: reliability by bins, and the calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BINS", "Reliability", "calibration_error", "reliability"]

_Floats = npt.NDArray[np.float64]

BINS = 15  # of equal width over 0..1, as Guo et al. (ICML 2017) count the calibration error

_PERCENT = 100.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Reliability:
    """How often what was said came true, by bins of what was said."""

    predicted: _Floats  # [BINS], mean probability; NaN where a bin is empty
    observed: _Floats  # [BINS], share of positives
    count: npt.NDArray[np.int64]  # [BINS], pairs

    @property
    def error(self) -> float:
        """The expected calibration error, percent; NaN where nothing is known."""
        if not self.count.sum():
            return float("nan")
        gaps = np.abs(np.nan_to_num(self.predicted - self.observed))
        return float(_PERCENT * gaps @ self.count / self.count.sum())


def reliability(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> Reliability:
    """Count probabilities and truths by bin.

    Args:
        probabilities: any shape, 0..1.
        labels: the same shape, 1 yes, 0 no, -1 unknown: left out.
    """
    truth = np.asarray(labels).ravel()
    p = np.asarray(probabilities, np.float64).ravel()[truth >= 0]
    truth = truth[truth >= 0] > 0
    place = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    sums = np.bincount(place, p, BINS), np.bincount(place, truth, BINS)
    with np.errstate(invalid="ignore"):
        return Reliability(predicted=sums[0] / count, observed=sums[1] / count, count=count)


def calibration_error(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[float, float]:
    """The expected calibration error, percent: over all pairs, and as mean over attributes.

    Args:
        probabilities: [N, C], 0..1.
        labels: [N, C], 1 yes, 0 no, -1 unknown.
    """
    p, y = np.asarray(probabilities), np.asarray(labels)
    each = np.array([reliability(p[:, c], y[:, c]).error for c in range(y.shape[1])])
    known = each[~np.isnan(each)]
    return reliability(p, y).error, float(known.mean()) if known.size else float("nan")
