"""The measures of the field, in NumPy alone. All results are percentages, 0..100.

Definitions: mA is the mean over attributes of (TPR + TNR) / 2. Accuracy, precision and recall are
example-based: computed per image over its set of labels, then averaged; F1 is the harmonic mean
of that precision and recall (Deng et al. 2014; Li et al. 2015). AP is the area under the
precision-recall steps, mAP its mean over attributes that have a positive.

A label is 1 for yes, 0 for no, -1 for unknown. An unknown label counts nowhere: attributes are
measured on the images where they are known, images on the attributes that are known of them, and an
image of which nothing is known is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError

_FloatArray = npt.NDArray[np.float64]
_BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """One evaluation. Percentages, 0..100; NaN where an attribute has no positive or negative."""

    mA: float  # noqa: N815 - the field's own spelling
    accuracy: float  # example-based
    precision: float  # example-based
    recall: float  # example-based
    f1: float  # from the example-based precision and recall
    mAP: float  # noqa: N815 - the field's own spelling
    auc: float  # mean area under the ROC curve
    per_attribute_mA: _FloatArray  # noqa: N815 - [C]
    per_attribute_ap: _FloatArray  # [C]
    per_attribute_auc: _FloatArray  # [C], area under the ROC curve
    positives: npt.NDArray[np.int64]  # [C], images known to have the attribute
    known: npt.NDArray[np.int64]  # [C], images of which it is known


def evaluate(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, thresholds: npt.ArrayLike = 0.5
) -> Scores:
    """Score predictions against labels.

    Args:
        probabilities: [N, C], 0..1.
        labels: [N, C], 1 yes, 0 no, -1 unknown.
        thresholds: one for all or one per attribute [C]; a probability above it says yes.

    Raises:
        InputError: shapes differ, there is no image or no known label, or a value is not a number.
    """
    scores, truth = _pairs(probabilities, labels)
    known, positive = truth >= 0, truth > 0
    yes = scores > np.asarray(thresholds, np.float64)
    balanced = mean_accuracy_per_attribute(yes, positive, known)
    ap = np.array(
        [
            average_precision(scores[known[:, c], c], positive[known[:, c], c])
            for c in range(scores.shape[1])
        ]
    )
    auc = np.array(
        [roc_auc(scores[known[:, c], c], positive[known[:, c], c]) for c in range(scores.shape[1])]
    )
    accuracy, precision, recall = _example_based(yes & known, positive, known)
    return Scores(
        mA=_mean(balanced),
        accuracy=100 * accuracy,
        precision=100 * precision,
        recall=100 * recall,
        f1=100 * _f1(precision, recall),
        mAP=_mean(ap),
        auc=_mean(auc),
        per_attribute_mA=balanced,
        per_attribute_ap=ap,
        per_attribute_auc=auc,
        positives=positive.sum(0).astype(np.int64),
        known=known.sum(0).astype(np.int64),
    )


def mean_accuracy_per_attribute(
    yes: _BoolArray, positive: _BoolArray, known: _BoolArray | None = None
) -> _FloatArray:
    """(TPR + TNR) / 2 of each attribute, [C], 0..100; NaN where only one class is present.

    Args:
        yes: what was said, [N, C].
        positive: truth, [N, C].
        known: which pairs count, [N, C]; all if None.
    """
    counted = np.ones_like(positive) if known is None else known
    negative = ~positive & counted
    positive = positive & counted
    tpr = _ratio((yes & positive).sum(0), positive.sum(0), empty=np.nan)
    tnr = _ratio((~yes & negative).sum(0), negative.sum(0), empty=np.nan)
    return 50.0 * (tpr + tnr)


def mean_accuracy_and_f1(yes: _BoolArray, labels: npt.NDArray[np.int8]) -> tuple[float, float]:
    """mA and F1 of answers as :func:`evaluate` has them, and nothing else: much faster.

    Args:
        yes: [N, C].
        labels: [N, C], 1 yes, 0 no, -1 unknown.

    Returns:
        mA, NaN where no attribute has both classes; F1.
    """
    known, positive = labels >= 0, labels > 0
    _, precision, recall = _example_based(yes & known, positive, known)
    balanced = mean_accuracy_per_attribute(yes, positive, known)
    return _mean(balanced), 100 * _f1(precision, recall)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reliability:
    """How often what was said came true, by bins of what was said."""

    predicted: _FloatArray  # [bins], mean probability; NaN where a bin is empty
    observed: _FloatArray  # [bins], share of positives
    count: npt.NDArray[np.int64]  # [bins], pairs

    @property
    def error(self) -> float:
        """The expected calibration error, percent; NaN where nothing is known.

        The sum over bins of (share of the pairs) * |mean p - share that is positive| (Naeini et
        al., AAAI 2015; Guo et al., ICML 2017, for the positive class).
        """
        if not self.count.sum():
            return float("nan")
        gaps = np.abs(np.nan_to_num(self.predicted - self.observed))
        return float(100.0 * gaps @ self.count / self.count.sum())


def reliability(probabilities: npt.ArrayLike, labels: npt.ArrayLike, bins: int = 15) -> Reliability:
    """Count probabilities and truths by bins of equal width over 0..1.

    Args:
        probabilities: any shape, 0..1.
        labels: the same shape, 1 yes, 0 no, -1 unknown: left out.
        bins: how many.
    """
    truth = np.asarray(labels).ravel()
    p = np.asarray(probabilities, np.float64).ravel()[truth >= 0]
    truth = truth[truth >= 0] > 0
    place = np.clip((p * bins).astype(np.int64), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = np.bincount(place, p, bins), np.bincount(place, truth, bins)
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
    return reliability(p, y).error, _mean(each)


def roc_auc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Area under the ROC curve of one attribute, 0..100; a tie counts half.

    Args:
        scores: [N], higher means yes.
        positive: [N], truth.

    Returns:
        The area, or NaN where only one class is present.
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(positive, bool)
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return float("nan")
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]  # equal scores share their mean rank
    return float(100.0 * (ranks[truth].sum() - yes * (yes + 1) / 2) / (yes * no))


def average_precision(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Area under the precision-recall steps of one attribute, 0..100; ties share one step.

    Args:
        scores: [N], higher means yes.
        positive: [N], truth.

    Returns:
        AP, or NaN where nothing is positive.
    """
    values = np.asarray(scores, np.float64)
    truth = np.asarray(positive, bool)
    if not truth.any():
        return float("nan")
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last_of_tie = np.append(np.diff(values) != 0, True)
    hits = np.cumsum(truth)[last_of_tie]
    retrieved = (np.arange(truth.size) + 1)[last_of_tie]
    gained = np.diff(hits, prepend=0)
    return float(100.0 * np.sum(gained * hits / retrieved) / truth.sum())


def _pairs(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[_FloatArray, npt.NDArray[np.int8]]:
    """Both as arrays [N, C], checked."""
    scores, truth = np.asarray(probabilities, np.float64), np.asarray(labels)
    if scores.ndim != 2 or scores.shape != truth.shape or scores.shape[0] == 0:
        raise InputError(
            f"probabilities {scores.shape} and labels {truth.shape} must both be "
            "[images, attributes] with at least one image"
        )
    if not np.isfinite(scores).all():
        raise InputError("probabilities contain NaN or infinity: the model's output is broken")
    if not np.isin(truth, (-1, 0, 1)).all():
        raise InputError("labels must be 1 (yes), 0 (no) or -1 (unknown)")
    if not (truth >= 0).any():
        raise InputError("no label is known (all are -1): there is nothing to measure on")
    return scores, truth.astype(np.int8)


def _example_based(
    yes: _BoolArray, positive: _BoolArray, known: _BoolArray
) -> tuple[float, float, float]:
    """Accuracy, precision and recall per image, averaged over images with a known label; 0..1."""
    some = known.any(1)
    if not some.any():
        return 0.0, 0.0, 0.0
    both = (yes & positive).sum(1)[some]
    either = (yes | positive).sum(1)[some]
    said, true = yes.sum(1)[some], positive.sum(1)[some]
    ratios = (_ratio(both, whole, empty=0.0).mean() for whole in (either, said, true))
    accuracy, precision, recall = map(float, ratios)
    return accuracy, precision, recall


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike, *, empty: float) -> _FloatArray:
    top, bottom = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    result = np.full(top.shape, empty, np.float64)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result


def _mean(values: _FloatArray) -> float:
    """Mean of the defined entries; NaN where there is none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
