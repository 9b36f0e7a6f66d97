"""How much a sample's predictions varied over the last epochs (Eq. 5; Chang et al., NIPS 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class PredictionHistory:
    """Keeps p(true label) of each sample and attribute for the last epochs, keyed by sample id.

    Args:
        ids: every sample's id, unique, any order, [N].
        labels: theirs, [N, C]: 1, 0, or -1 where unknown.
        length: epochs kept.
    """

    def __init__(
        self, ids: npt.NDArray[np.int64], labels: npt.NDArray[np.int8], length: int
    ) -> None:
        self._slot = {int(sample): slot for slot, sample in enumerate(ids)}
        self._labels = labels
        self._kept = np.zeros((len(ids), length, labels.shape[1]), np.float32)
        self._count = np.zeros(len(ids), np.int64)

    def record(self, ids: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32]) -> None:
        """Remember one epoch's predictions of some samples.

        Args:
            ids: [n].
            probabilities: that each attribute is present, [n, C].
        """
        slots = self._slots(ids)
        true = np.where(self._labels[slots] > 0, probabilities, 1 - probabilities)
        self._kept[slots, self._count[slots] % self._kept.shape[1]] = true
        self._count[slots] += 1

    def deviation(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """std_s of some samples, [n]: sqrt(var + var^2 / (|H_s| - 1)).

        var is the unbiased variance over the kept epochs, averaged over the attributes whose
        label is known. A sample with fewer than two epochs, or without a known label, has 0.
        """
        slots = self._slots(ids)
        length = self._kept.shape[1]
        count = np.minimum(self._count[slots], length)[:, None, None]
        kept = self._kept[slots].astype(np.float64)
        held = np.arange(length)[None, :, None] < count  # [n, length, 1]
        mean = (kept * held).sum(1, keepdims=True) / np.maximum(count, 1)
        squares = (np.square(kept - mean) * held).sum(1)  # [n, C]
        freedom = np.maximum(count[:, 0] - 1, 1)
        known = self._labels[slots] >= 0
        variance = (squares * known).sum(1) / freedom[:, 0] / np.maximum(known.sum(1), 1)
        result: npt.NDArray[np.float32] = np.sqrt(variance + variance**2 / freedom[:, 0]).astype(
            np.float32
        )
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
