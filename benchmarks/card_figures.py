"""The figures of a model card: one model's logits on one split, cut in every way that is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from bootstrap import Estimate, estimate, image_weights

from edgeattr.core.bundle import Bundle
from edgeattr.core.decision import Decision
from edgeattr.core.metrics import Scores, evaluate, reliability
from edgeattr_train.data.annotations import AttributeDataset

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

_FEW = 10  # images with, and without, an attribute that a group's rate wants at least


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How a model does on some images; percentages."""

    images: int
    persons: int
    mA: Estimate  # noqa: N815 - the field's own spelling
    attributes: int  # that mA is the mean of: with and without are both there
    accuracy: float
    precision: float
    recall: float
    f1: Estimate
    mAP: float  # noqa: N815 - the field's own spelling
    ece: float
    false_yes: Estimate  # of what is labelled no
    false_no: Estimate  # of what is labelled yes

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class Group:
    """Images that are looked at together."""

    name: str
    chosen: _Mask  # [N]


class Judged:
    """One variant's answers on a data set.

    Args:
        bundle: the model.
        logits: [N, C].
        data: what it was asked.
    """

    def __init__(
        self, bundle: Bundle, logits: npt.NDArray[np.float32], data: AttributeDataset
    ) -> None:
        decision = Decision(
            schema=bundle.schema,
            thresholds=bundle.thresholds,
            scale=bundle.scale,
            offset=bundle.offset,
            include_sensitive=True,
        )
        self.p: _Floats = decision.probabilities(logits)
        self.thresholds = np.asarray(bundle.thresholds)
        self.yes: _Mask = self.p > self.thresholds
        self.truth: _Mask = data.labels > 0
        self.persons = data.persons
        self.names = bundle.schema.names

    def figures(self, chosen: _Mask, columns: _Mask | None = None) -> Figures:
        """Of some images, and of some attributes where not all count, [C]."""
        taken = np.ones(len(self.names), bool) if columns is None else columns
        p, truth = self.p[chosen][:, taken], self.truth[chosen][:, taken]
        scores = evaluate(p, truth.astype(np.int8), self.thresholds[taken])
        yes, persons = self.yes[chosen][:, taken], self.persons[chosen]
        weights = image_weights(persons)
        balanced, f1, false_yes, false_no = _drawn(yes, truth, weights)
        return Figures(
            images=int(chosen.sum()),
            persons=len(np.unique(persons)),
            mA=estimate(scores.mA, balanced),
            attributes=int((~np.isnan(scores.per_attribute_mA)).sum()),
            accuracy=scores.accuracy,
            precision=scores.precision,
            recall=scores.recall,
            f1=estimate(scores.f1, f1),
            mAP=scores.mAP,
            ece=reliability(p, truth.astype(np.int8)).error,
            false_yes=estimate(100 * float(yes[~truth].mean()), false_yes),
            false_no=estimate(100 * float((~yes)[truth].mean()), false_no),
        )

    def scores(self, chosen: _Mask) -> Scores:
        """By attribute."""
        truth = self.truth[chosen].astype(np.int8)
        return evaluate(self.p[chosen], truth, self.thresholds)

    def gap(self, first: _Mask, second: _Mask, c: int, *, true: bool) -> Estimate | None:
        """Rate of wrong answers in the first group less that in the second, points.

        Args:
            first, second: the groups, [N].
            c: the attribute.
            true: of those who have the attribute (wrong noes), or of those who have not.

        Returns:
            None where either group has too few.
        """
        counted = self.truth[:, c] == true
        wrong = (self.yes[:, c] != self.truth[:, c]).astype(np.float64)
        a, b = (first & counted).astype(float), (second & counted).astype(float)
        if min(a.sum(), b.sum()) < _FEW:
            return None
        weights = image_weights(self.persons)
        with np.errstate(invalid="ignore"):  # a draw may have none of a group
            rates = [weights @ (wrong * part) / (weights @ part) for part in (a, b)]
        value = wrong @ a / a.sum() - wrong @ b / b.sum()
        return estimate(100 * float(value), 100 * (rates[0] - rates[1]))


def _drawn(yes: _Mask, truth: _Mask, weights: _Floats) -> tuple[_Floats, ...]:
    """mA, F1, wrong yeses and wrong noes in each draw, percent, [draws]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        tpr = weights @ (yes & truth) / (weights @ truth)
        tnr = weights @ (~yes & ~truth) / (weights @ ~truth)
        both = (yes & truth).sum(1)
        precision, recall = (
            weights @ np.nan_to_num(both / whole.sum(1)) / weights.sum(1) for whole in (yes, truth)
        )
        return (
            100 * np.nanmean((tpr + tnr) / 2, 1),
            100 * 2 * precision * recall / (precision + recall),
            100 * (weights @ (yes & ~truth).sum(1)) / (weights @ (~truth).sum(1)),
            100 * (weights @ (~yes & truth).sum(1)) / (weights @ truth.sum(1)),
        )
