"""Decision thresholds that maximise mA + 2 F1, by coordinate ascent over the attributes.

One attribute's threshold moves at a time over a grid of log-odds, and takes the place where the
objective is highest with all others held. Only what that attribute adds is counted anew, so the
whole grid costs one product of matrices, not a call of ``edgeattr.core.metrics.evaluate`` each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeattr_train.platt import sigmoid

_Floats = npt.NDArray[np.float64]

_STEP = 0.1  # log-odds between candidates
_REACH = 3.0  # log-odds: the farthest that a threshold moves
_WIDTH = 0.4  # log-odds: an image near a candidate counts in part, so that no single one decides
_SWEEPS = 8  # over all attributes; four are usual
_GAIN = 1e-9  # points: less is rounding
# F1's weight against mA's. On PETA val, thresholds fitted to the plain sum buy mA with F1; at 2
# both rise over the raw decisions (train/EXPERIMENTS.md).
F1_WEIGHT = 2.0
_PERCENT = 100.0


class Objective:
    """mA + 2 F1 as one attribute's answers change.

    Args:
        yes: [N, C], the answers to start from, 0 or 1.
        labels: [N, C], 1 yes, 0 no, -1 unknown: counted nowhere, whatever the answer.
    """

    def __init__(self, yes: npt.NDArray[np.bool_], labels: npt.NDArray[np.int8]) -> None:
        self._known = labels >= 0
        self._positive = (labels > 0).astype(np.float64)
        self._negative = (labels == 0).astype(np.float64)
        self._yes = (yes & self._known).astype(np.float64)
        self._true = self._positive.sum(1)  # [N], labels of an image
        self._said = self._yes.sum(1)  # [N], answers of an image
        self._both = (self._yes * self._positive).sum(1)  # [N], right ones of these
        self._balanced = np.array(  # [C], (TPR + TNR) / 2, 0..1
            [self._balanced_at(c, self._yes[:, c]) for c in range(labels.shape[1])]
        )

    def at(self, attribute: int, yes: _Floats) -> _Floats:
        """The objective for K alternatives of one attribute's answers.

        Args:
            attribute: which.
            yes: [N, K], 0..1; between, an image counts in part for either answer.

        Returns:
            [K], 0..300; mA is left out where no attribute has both classes.
        """
        weight = yes * self._known[:, attribute, None]
        positive = self._positive[:, attribute]
        said = self._said - self._yes[:, attribute]
        both = self._both - self._yes[:, attribute] * positive
        precision_no = _ratio(both, said)
        gain = (both + positive) / (said + 1) - precision_no
        precision = precision_no.mean() + gain @ weight / len(said)
        recall = _ratio(both, self._true).mean() + _ratio(positive, self._true) @ weight / len(said)
        f1 = _ratio(2 * precision * recall, precision + recall)
        balanced = self._mean_accuracy(attribute, weight)
        return np.asarray(_PERCENT * (balanced + F1_WEIGHT * f1))

    def set(self, attribute: int, yes: npt.NDArray[np.bool_]) -> None:
        """Take one attribute's answers, [N], as the ones to go on from."""
        answers = (yes & self._known[:, attribute]).astype(np.float64)
        change = answers - self._yes[:, attribute]
        self._said += change
        self._both += change * self._positive[:, attribute]
        self._yes[:, attribute] = answers
        self._balanced[attribute] = self._balanced_at(attribute, answers)

    def _mean_accuracy(self, attribute: int, weight: _Floats) -> _Floats:
        """MA of K alternatives, [K], 0..1."""
        own = self._balanced_at(attribute, weight)
        others = np.delete(self._balanced, attribute)
        terms = np.vstack([np.repeat(others[:, None], weight.shape[1], 1), own])
        defined = ~np.isnan(terms)
        return _ratio(np.where(defined, terms, 0.0).sum(0), defined.sum(0))

    def _balanced_at(self, attribute: int, weight: _Floats) -> _Floats:
        positive, negative = self._positive[:, attribute], self._negative[:, attribute]
        if not positive.any() or not negative.any():
            return np.full(weight.shape[1:], np.nan)
        tpr = positive @ weight / positive.sum()
        fpr = negative @ weight / negative.sum()
        return np.asarray((tpr + 1 - fpr) / 2)


def fit_thresholds(
    log_odds: _Floats,
    labels: npt.NDArray[np.int8],
    start: _Floats,
    movable: npt.NDArray[np.bool_],
) -> _Floats:
    """Move thresholds to where mA + 2 F1 is highest on these images.

    Args:
        log_odds: [N, C], calibrated.
        labels: [N, C], 1 yes, 0 no, -1 unknown.
        start: [C], thresholds to start from, log-odds.
        movable: [C], which may move.

    Returns:
        [C], log-odds; a local optimum, the same for the same input.
    """
    grid = np.arange(-round(_REACH / _STEP), round(_REACH / _STEP) + 1) * _STEP
    columns = [int(c) for c in np.flatnonzero(movable)]
    soft = {c: _answers_in_part(log_odds[:, c], start[c] + grid) for c in columns}
    place = np.full(len(start), len(grid) // 2)
    objective = Objective(log_odds > start, labels)
    for _ in range(_SWEEPS):
        moved = False
        for c in columns:
            values = objective.at(c, soft[c])
            best = int(values.argmax())
            if values[best] > values[place[c]] + _GAIN:
                place[c], moved = best, True
                objective.set(c, log_odds[:, c] > start[c] + grid[best])
        if not moved:
            break
    return np.asarray(start + grid[place])


def _answers_in_part(log_odds: _Floats, thresholds: _Floats) -> _Floats:
    """How much an image counts as a yes at each threshold: [N], [K] -> [N, K], 0..1."""
    return sigmoid((log_odds[:, None] - thresholds) / _WIDTH)


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> _Floats:
    """Part over whole, 0 where the whole is 0."""
    top, bottom = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    result = np.zeros(top.shape)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result
