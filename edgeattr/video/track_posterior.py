"""One opinion per person out of many crops."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgeattr.core.decision import Decision
from edgeattr.core.posterior import NEVER, TrackFusion, normalise_exclusive
from edgeattr.core.prediction import AttributeAnswer, ColourAnswer

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
        self._weight = np.zeros(count)  # of the crops in which an attribute can be seen
        self._answers: dict[str, AttributeAnswer] | None = None
        self._changing: float | None = None
        self.crops = 0  # how many were added

    def add(self, logits: npt.ArrayLike, quality: float) -> None:
        """Take in one crop.

        Args:
            logits: [C], as the model gives them; not a number where it cannot be seen.
            quality: of the crop, 0..1.
        """
        evidence = self._decision.log_odds(logits) - self._prior
        seen = ~np.isnan(evidence)
        weight = float(self._fusion.weight(quality)) * seen
        self._sum += weight * np.where(seen, evidence, 0.0)
        self._weight += weight
        self._answers = self._changing = None
        self.crops += 1

    @property
    def log_odds(self) -> npt.NDArray[np.float64]:
        """The posterior, [C], exclusive sets normalised; the prior before the first crop."""
        seen = self._weight > 0
        gain = self._fusion.gain(np.where(seen, self._weight, 1.0))
        fused = self._prior + self._sum * gain  # the sum of what was not to be seen is 0
        return normalise_exclusive(fused, self._sets, self._fusion.none_of)

    def answers(self) -> dict[str, AttributeAnswer]:
        """What is known of the person: yes, no, or unknown. Empty before the first crop.

        What was to be seen in no crop is unknown.
        """
        if not self.crops:
            return {}
        if self._answers is None:
            unseen = self._weight == 0
            margins = (
                np.where(unseen, NEVER, margin).tolist()
                for margin in (self._yes_margin, self._no_margin)
            )
            self._answers = self._decision.answers_at(self.log_odds.tolist(), *margins)
        return dict(self._answers)

    def colours(self) -> dict[str, ColourAnswer]:
        """The colours of the person's clothes, hair and shoes, where the model tells them."""
        return self._decision.colours(self.answers()) if self.crops else {}

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
            weight = np.maximum(self._weight, 1e-9)  # what was not to be seen does not change
            step = self._spread * self._fusion.gain(weight) * np.sqrt(weight)
            z = distance / np.maximum(step, 1e-9)
            tails = [0.5 * math.erfc(z[index] / math.sqrt(2)) for index in self._decision.reported]
            self._changing = sum(tails) / max(1, len(tails))
        return self._changing
