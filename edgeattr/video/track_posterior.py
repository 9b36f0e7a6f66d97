"""One opinion per person out of many crops."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgeattr.core.posterior import TrackFusion, normalise_exclusive
from edgeattr.core.prediction import AttributeAnswer, Decision

__all__ = ["TrackFusion", "TrackPosterior"]


class TrackPosterior:
    """What is known of one person, by the formulas of :mod:`edgeattr.core.posterior`.

    Args:
        decision: calibrates logits, and knows thresholds and exclusive sets.
        fusion: the bundle's ``track``; where it has none, crops are averaged and what lies within
            0.4 log-odds of a threshold is unknown.
    """

    def __init__(self, decision: Decision, fusion: TrackFusion | None = None) -> None:
        self._decision = decision
        self._fusion = fusion = fusion or TrackFusion()
        count = len(decision.schema)
        self._prior, self._spread = fusion.priors(count), fusion.spreads(count)
        self._yes_margin, self._no_margin = fusion.margins(count)
        self._sets = decision.schema.exclusive_indices()
        self._sum = np.zeros(count)  # of weight * (log-odds - prior)
        self._weight = 0.0
        self._answers: dict[str, AttributeAnswer] | None = None
        self._changing: float | None = None
        self.crops = 0  # how many were added

    def add(self, logits: npt.ArrayLike, quality: float) -> None:
        """Take in one crop.

        Args:
            logits: [C], as the model gives them.
            quality: of the crop, 0..1.
        """
        weight = float(self._fusion.weight(quality))
        self._sum += weight * (self._decision.log_odds(logits) - self._prior)
        self._weight += weight
        self._answers = self._changing = None
        self.crops += 1

    @property
    def log_odds(self) -> npt.NDArray[np.float64]:
        """The posterior, [C], exclusive sets normalised; the prior before the first crop."""
        fused = self._fusion.fuse(self._sum, self._weight) if self.crops else self._prior
        return normalise_exclusive(fused, self._sets, self._fusion.none_of)

    def answers(self) -> dict[str, AttributeAnswer]:
        """What is known of the person: yes, no, or unknown. Empty before the first crop."""
        if not self.crops:
            return {}
        if self._answers is None:
            self._answers = self._decision.answers_at(
                self.log_odds.tolist(), self._yes_margin.tolist(), self._no_margin.tolist()
            )
        return dict(self._answers)

    @property
    def settled(self) -> bool:
        """Whether further crops like those so far are expected to change next to no answer."""
        return self.changing < self._fusion.settled_below

    @property
    def changing(self) -> float:
        """Share of the reported answers that many more crops are expected to change, 0..1.

        The mean of a person's crops lies ``spread / sqrt(W)`` from where it would end up, and the
        posterior ``gain * W`` times as far; an answer changes where that passes the nearer of its
        two limits. 1 before the first crop.
        """
        if not self.crops:
            return 1.0
        if self._changing is None:
            limits = self._decision.limits
            fused = self.log_odds
            distance = np.minimum(
                np.abs(fused - (limits + self._yes_margin)),
                np.abs(fused - (limits - self._no_margin)),
            )
            step = self._spread * self._fusion.gain(self._weight) * math.sqrt(self._weight)
            z = distance / np.maximum(step, 1e-9)
            tails = [0.5 * math.erfc(z[index] / math.sqrt(2)) for index in self._decision.reported]
            self._changing = sum(tails) / max(1, len(tails))
        return self._changing
