"""The paper's mA, counted as the training goes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["RunningMeanAccuracy"]


class RunningMeanAccuracy:
    """Counts right answers per attribute, batch by batch.

    Args:
        attributes: C.
    """

    def __init__(self, attributes: int) -> None:
        self._right = np.zeros((2, attributes))
        self._all = np.zeros((2, attributes))

    def add(self, probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> None:
        """Count a batch, both [n, C]; labels 1, 0 or negative where unknown."""
        yes = probabilities > 0.5
        present, absent = labels > 0.5, (labels >= 0) & (labels <= 0.5)
        self._right += np.stack(((absent & ~yes).sum(0), (present & yes).sum(0)))
        self._all += np.stack((absent.sum(0), present.sum(0)))

    def mean_accuracy(self) -> float:
        """mA so far, percent, over attributes that had both classes; NaN where none had."""
        both = (self._all > 0).all(0)
        if not both.any():
            return float("nan")
        return float(100 * (self._right[:, both] / self._all[:, both]).mean())
