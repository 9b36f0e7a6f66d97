"""Probabilities that mean what they say, and thresholds: both fitted on validation data.

Calibration is Platt's p = sigmoid(scale * logit + offset) per attribute, drawn towards one pair
(scale, offset) that all attributes share, so that a rare attribute stays near it. Thresholds
maximise mA + 2 F1 (:mod:`edgeattr_train.thresholds`) and are then pulled back towards the raw
decision, logit > 0, by as much as cross-validation asks for. Figures on the images that were
fitted are kind; those on held-out folds are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError
from edgeattr.core.metrics import calibration_error, mean_accuracy_and_f1
from edgeattr_train.platt import platt_scaling, sigmoid
from edgeattr_train.thresholds import F1_WEIGHT, fit_thresholds

_Floats = npt.NDArray[np.float64]
_Labels = npt.NDArray[np.int8]

_FEWEST = 10  # positives and negatives below which an attribute keeps the shared fit
_SCALE_SPREAD = 0.2  # prior standard deviation of log(scale) around the shared one
_OFFSET_SPREAD = 0.5  # prior standard deviation of the offset, log-odds
_IDENTITY = (1.0, 0.0)  # scale, offset
_SHARED_SPREAD = (1.0, 1.0)  # of both around the identity, for the shared fit
_AMOUNTS = np.linspace(0, 1, 11)  # from the raw decision (0) to the fitted thresholds (1)


@dataclass(frozen=True, kw_only=True)
class DecisionFit:
    """Calibration and thresholds, ready for a bundle's fields, and what they are worth.

    The figures are percentages: ``mA`` and ``f1`` as ``edgeattr.core.metrics.evaluate`` has them,
    ``ece`` the expected calibration error over all known (image, attribute) pairs together,
    ``ece_per_attribute`` the mean over attributes of each one's own, where errors of opposite
    sign cannot cancel.
    """

    scale: tuple[float, ...]  # [C], above 0
    offset: tuple[float, ...]  # [C], log-odds
    thresholds: tuple[float, ...]  # [C], of the calibrated probability, 0..1
    shrinkage: float  # 0: the raw decisions, logit > 0; 1: the fitted thresholds in full
    shared: tuple[int, ...]  # attributes with too few labels, which keep the shared fit
    images: int  # with at least one known label
    folds: int
    before: dict[str, float]  # uncalibrated, logit > 0
    after: dict[str, float]  # on the very images that were fitted: kind
    held_out: dict[str, float]  # each image answered by a fit that has not seen its fold

    def to_json(self) -> dict[str, Any]:
        """What is written beside the fit in a bundle; an undefined figure is null."""
        return {
            "objective": f"mA + {F1_WEIGHT:g} F1",
            "images": self.images,
            "folds": self.folds,
            "shrinkage": round(self.shrinkage, 4),
            "shared_attributes": list(self.shared),
            "before": _rounded(self.before),
            "after": _rounded(self.after),
            "held_out": _rounded(self.held_out),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class _Fit:
    scale: _Floats  # [C]
    offset: _Floats  # [C]: in calibrated log-odds, also the place of the raw threshold
    thresholds: _Floats  # [C], log-odds

    def shrunk(self, amount: float) -> _Floats:
        """Thresholds a part of the way from the raw ones, [C], log-odds."""
        return self.offset + amount * (self.thresholds - self.offset)

    def log_odds(self, logits: _Floats) -> _Floats:
        return logits * self.scale + self.offset


def fit_decision(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    folds: int = 5,
    seed: int = 0,
    groups: npt.ArrayLike | None = None,
) -> DecisionFit:
    """Fit calibration and thresholds; the same input gives the same fit.

    Args:
        logits: [N, C], the model's scores on images that it was not trained on.
        labels: [N, C], 1 yes, 0 no, -1 unknown.
        folds: parts of the cross-validation, at least 2.
        seed: of the division into folds.
        groups: [N], equal for images of one person, who then is in one fold only. Absent: every
            image stands for itself.

    Raises:
        InputError: a logit is not finite.
    """
    z, y, persons = _labelled(logits, labels, groups)
    fit, amount = _fit_with_shrinkage(z, y, persons, folds, seed + 1)
    thresholds = fit.shrunk(amount)
    calibrated = fit.log_odds(z)
    return DecisionFit(
        scale=tuple(fit.scale.tolist()),
        offset=tuple(fit.offset.tolist()),
        thresholds=tuple(sigmoid(thresholds).tolist()),
        shrinkage=amount,
        shared=tuple(np.flatnonzero(~_plentiful(y)).tolist()),
        images=len(z),
        folds=folds,
        before=_figures(sigmoid(z), z > 0, y),
        after=_figures(sigmoid(calibrated), calibrated > thresholds, y),
        held_out=_held_out(z, y, persons, folds, seed),
    )


def _labelled(
    logits: npt.ArrayLike, labels: npt.ArrayLike, groups: npt.ArrayLike | None
) -> tuple[_Floats, _Labels, npt.NDArray[np.int64]]:
    """The arguments as arrays, without images of which nothing is known."""
    z, y = np.asarray(logits, np.float64), np.asarray(labels, np.int8)
    persons = np.arange(len(z)) if groups is None else np.asarray(groups)
    if not np.isfinite(z).all():
        raise InputError("logits contain NaN or infinity: the model's output is broken")
    kept = (y >= 0).any(1)
    return z[kept], y[kept], persons[kept]


def _fit_with_shrinkage(
    z: _Floats, y: _Labels, persons: npt.NDArray[np.int64], folds: int, seed: int
) -> tuple[_Fit, float]:
    """The fit, and how much of it cross-validation says to keep."""
    answers = np.zeros((len(_AMOUNTS), *z.shape), bool)
    for rest, fold in _folds(persons, folds, seed):
        fit = _fit(z[rest], y[rest])
        calibrated = fit.log_odds(z[fold])
        for yes, amount in zip(answers, _AMOUNTS, strict=True):
            yes[fold] = calibrated > fit.shrunk(amount)
    quality = [_quality(*mean_accuracy_and_f1(yes, y)) for yes in answers]
    return _fit(z, y), float(_AMOUNTS[int(np.argmax(quality))])


def _held_out(
    z: _Floats, y: _Labels, persons: npt.NDArray[np.int64], folds: int, seed: int
) -> dict[str, float]:
    """The figures when the whole fit, choice of shrinkage included, never sees the images."""
    p, yes = np.zeros(z.shape), np.zeros(z.shape, bool)
    for rest, fold in _folds(persons, folds, seed):
        fit, amount = _fit_with_shrinkage(z[rest], y[rest], persons[rest], folds, seed + 1)
        calibrated = fit.log_odds(z[fold])
        p[fold], yes[fold] = sigmoid(calibrated), calibrated > fit.shrunk(amount)
    return _figures(p, yes, y)


def _folds(
    persons: npt.NDArray[np.int64], folds: int, seed: int
) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Pairs of masks [N]: the images to fit on, and those held out."""
    names, place = np.unique(persons, return_inverse=True)
    member = (np.random.default_rng(seed).permutation(len(names)) % folds)[place]
    for fold in range(folds):
        yield member != fold, member == fold


def _fit(z: _Floats, y: _Labels) -> _Fit:
    plenty = _plentiful(y)
    shared_scale, shared_offset = platt_scaling(
        z.reshape(-1, 1), y.reshape(-1, 1), _IDENTITY, _SHARED_SPREAD
    )
    scale = np.repeat(shared_scale, len(plenty))
    offset = np.repeat(shared_offset, len(plenty))
    scale[plenty], offset[plenty] = platt_scaling(
        z[:, plenty],
        y[:, plenty],
        (float(shared_scale[0]), float(shared_offset[0])),
        (_SCALE_SPREAD, _OFFSET_SPREAD),
    )
    thresholds = fit_thresholds(z * scale + offset, y, offset, plenty)
    return _Fit(scale=scale, offset=offset, thresholds=thresholds)


def _plentiful(y: _Labels) -> npt.NDArray[np.bool_]:
    """Which attributes have enough of both classes for a fit of their own, [C]."""
    return np.asarray(np.minimum((y > 0).sum(0), (y == 0).sum(0)) >= _FEWEST)


def _figures(p: _Floats, yes: npt.NDArray[np.bool_], y: _Labels) -> dict[str, float]:
    balanced, f1 = mean_accuracy_and_f1(yes, y)
    together, each = calibration_error(p, y)
    return {"mA": balanced, "f1": f1, "ece": together, "ece_per_attribute": each}


def _quality(balanced: float, f1: float) -> float:
    """The objective, without mA where no attribute has both classes."""
    return float(np.nan_to_num(balanced)) + F1_WEIGHT * f1


def _rounded(figures: dict[str, float]) -> dict[str, float | None]:
    return {key: None if np.isnan(value) else round(value, 4) for key, value in figures.items()}
