"""One opinion per person out of many crops."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeattr.prediction import AttributeAnswer, Decision

__all__ = ["TrackPosterior"]

_UNKNOWN_BAND = 0.4  # log-odds around the threshold: p between 0.4 and 0.6 for a threshold of 0.5


class TrackPosterior:
    """Quality-weighted mean of the log-odds of a person's crops.

    A mean rather than a sum: crops of one track show the same person in nearly the same way, so
    they are far from independent, and a sum would be certain of everything within a second.

    Args:
        decision: turns log-odds into answers.
    """

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._sum = np.zeros(len(decision.schema), np.float64)
        self._weight = 0.0
        self.crops = 0  # how many were added

    def add(self, logits: npt.NDArray[np.float32], weight: float) -> None:
        """Take in one crop's logits, [C], with a weight above 0."""
        self._sum += weight * logits
        self._weight += weight
        self.crops += 1

    def answers(self) -> dict[str, AttributeAnswer]:
        """What is known of the person: yes, no, or unknown. Empty before the first crop."""
        if self._weight == 0:
            return {}
        return self._decision.answers(self._sum / self._weight, unknown_band=_UNKNOWN_BAND)
