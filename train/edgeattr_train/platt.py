"""Platt scaling with a prior: p = sigmoid(scale * logit + offset), one pair per attribute."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]

_NEWTON_STEPS = 50
_LONGEST = 1.0  # of one step, in log(scale) and in log-odds
_HALVINGS = 20  # of a step that does not lower the loss
_CONVERGED = 1e-8  # largest step


def sigmoid(x: npt.ArrayLike) -> _Floats:
    """1 / (1 + exp(-x)), for any x without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x, np.float64) / 2)))


def platt_scaling(
    logits: _Floats,
    labels: npt.NDArray[np.int8],
    centre: tuple[float, float],
    spread: tuple[float, float],
) -> tuple[_Floats, _Floats]:
    """Fit each column by Newton's method on its own.

    Args:
        logits: [N, C].
        labels: [N, C], 1 yes, 0 no, -1 unknown: left out.
        centre: scale and offset that the prior is centred on.
        spread: the prior's standard deviations, of log(scale) and of the offset.

    Returns:
        Scale, above 0, and offset, [C] each.
    """
    loss = _Loss(logits, labels, centre, spread)
    at = np.repeat(loss.middle, logits.shape[1], 1)
    for _ in range(_NEWTON_STEPS):
        change = _lowering(loss, at, np.clip(loss.step(at), -_LONGEST, _LONGEST))
        at = at + change
        if np.abs(change).max(initial=0) < _CONVERGED:
            break
    return np.exp(at[0]), at[1]


def _lowering(loss: _Loss, at: _Floats, change: _Floats) -> _Floats:
    """The step [2, C], halved in the columns where it raises the loss, 0 where that is no help."""
    value = loss.at(at)
    for _ in range(_HALVINGS):
        worse = loss.at(at + change) > value
        if not worse.any():
            return change
        change = np.where(worse, change / 2, change)
    return np.where(worse, 0.0, change)


class _Loss:
    """Cross-entropy plus prior as a function of ``at`` [2, C]: log(scale) above offset.

    Targets are Platt's (1999): (n1 + 1) / (n1 + 2) for each of n1 positives, 1 / (n0 + 2) for
    each of n0 negatives, so that separable classes do not ask for an infinite scale.
    """

    def __init__(
        self,
        logits: _Floats,
        labels: npt.NDArray[np.int8],
        centre: tuple[float, float],
        spread: tuple[float, float],
    ) -> None:
        ones, zeros = (labels > 0).sum(0), (labels == 0).sum(0)
        self._logits = logits
        self._known = labels >= 0
        self._target = np.where(labels > 0, (ones + 1) / (ones + 2), 1 / (zeros + 2))
        self.middle = np.array([[np.log(centre[0])], [centre[1]]])
        self._precision = 1 / np.square(spread)[:, None]

    def at(self, at: _Floats) -> _Floats:
        """The loss of each column, [C]."""
        x = np.exp(at[0]) * self._logits + at[1]
        entropy = self._known * (np.logaddexp(0, x) - self._target * x)
        prior = self._precision * (at - self.middle) ** 2 / 2
        return np.asarray(entropy.sum(0) + prior.sum(0))

    def step(self, at: _Floats) -> _Floats:
        """Newton's step, [2, C], with the expected curvature, which is never negative."""
        slope = np.exp(at[0]) * self._logits  # of the log-odds by log(scale); by offset it is 1
        p = sigmoid(slope + at[1])
        miss, weight = self._known * (p - self._target), self._known * p * (1 - p)
        prior = self._precision * (at - self.middle)
        by_scale, by_offset = np.stack([(miss * slope).sum(0), miss.sum(0)]) + prior
        uu = (weight * slope**2).sum(0) + self._precision[0]
        ub = (weight * slope).sum(0)
        bb = weight.sum(0) + self._precision[1]
        solved = np.stack([bb * by_scale - ub * by_offset, uu * by_offset - ub * by_scale])
        return np.asarray(-solved / (uu * bb - ub**2))
