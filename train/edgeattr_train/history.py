"""How much a sample's predictions varied over the last epochs (Eq. 5; Chang et al., NIPS 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PredictionHistory"]


class PredictionHistory:
    """Keeps p(true label) of each sample and attribute for the last epochs, keyed by sample id.

    Args:
        ids: every sample's id, unique, any order, [N].
        attributes: C.
        length: epochs kept.
    """

    def __init__(self, ids: npt.NDArray[np.int64], attributes: int, length: int) -> None:
        self._slot = {int(sample): slot for slot, sample in enumerate(ids)}
        self._kept = np.zeros((len(ids), length, attributes), np.float32)
        self._count = np.zeros(len(ids), np.int64)

    def record(
        self,
        ids: npt.NDArray[np.int64],
        probabilities: npt.NDArray[np.float32],
        labels: npt.NDArray[np.uint8],
    ) -> None:
        """Remember one epoch's predictions of some samples.

        Args:
            ids: [n].
            probabilities: [n, C].
            labels: [n, C], 0 or 1.
        """
        slots = self._slots(ids)
        true = np.where(labels > 0, probabilities, 1 - probabilities)
        self._kept[slots, self._count[slots] % self._kept.shape[1]] = true
        self._count[slots] += 1

    def deviation(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """std_s of some samples, [n]: sqrt(var + var^2 / (|H_s| - 1)).

        var is the unbiased variance over the kept epochs, averaged over attributes. A sample with
        fewer than two epochs has 0.
        """
        slots = self._slots(ids)
        result = np.zeros(len(slots), np.float32)
        counts = np.minimum(self._count[slots], self._kept.shape[1])
        for row, (slot, count) in enumerate(zip(slots, counts, strict=True)):
            if count > 1:
                variance = float(self._kept[slot, :count].var(0, ddof=1).mean())
                result[row] = np.sqrt(variance + variance**2 / (count - 1))
        return result

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {"kept": self._kept.copy(), "count": self._count.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave, for the same ids in the same order."""
        self._kept[...] = state["kept"]
        self._count[...] = state["count"]

    def _slots(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.array([self._slot[int(sample)] for sample in ids], np.int64)
