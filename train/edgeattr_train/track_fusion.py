"""A track's fusion fitted on validation data whose images tell who is who."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import numpy.typing as npt

from edgeattr.core.posterior import TrackFusion
from edgeattr_train.margins import fit_margins
from edgeattr_train.tracks import Tracks

_Floats = npt.NDArray[np.float64]

BOUND = 0.05  # error rate among answers, where none is asked for
_HELD_AT = 0.8  # of the bound: people whom training has not seen are told less well than val's
_FEWEST = 20  # persons with several crops, below which these are averaged
_LEAST_SPREAD = 0.1  # log-odds
_CORRELATIONS = np.linspace(0.1, 1.0, 19)
_POWERS = (0.0, 0.5, 1.0, 2.0)
_NONE_OF = np.linspace(-6.0, 3.0, 37)  # log-odds


def fit(tracks: Tracks, *, bound: float = BOUND) -> TrackFusion:
    """Fit all parameters; the same input gives the same fit.

    Correlation and the power of quality make the labels of tracks of two crops and more likeliest,
    ``none_of`` those of all tracks, and the margins hold the error rate among the answers to all
    tracks: see :mod:`edgeattr_train.margins`.

    Args:
        tracks: of validation data. A person with one image is a track of one crop.
        bound: the error rate among answers, 0..1.
    """
    fusion = TrackFusion(prior=_prior(tracks), bound=bound)
    several = tracks.take(tracks.lengths > 1)
    if len(several) >= _FEWEST:
        fusion = _likeliest(fusion, several)
        fusion = dataclasses.replace(fusion, spread=_spread(fusion, several))
    fusion = dataclasses.replace(fusion, none_of=_none_of(fusion, tracks))
    return at_bound(fusion, tracks, bound)


def at_bound(fusion: TrackFusion, tracks: Tracks, bound: float) -> TrackFusion:
    """The same fusion with the margins that hold another error rate among answers, 0..1."""
    log_odds, limits = tracks.posterior(fusion), tracks.decision.limits
    margins = fit_margins(log_odds, limits, tracks.labels, _HELD_AT * bound)
    yes_margin, no_margin = map(_rounded, margins)
    return dataclasses.replace(fusion, bound=bound, yes_margin=yes_margin, no_margin=no_margin)


def _prior(tracks: Tracks) -> tuple[float, ...]:
    """Log-odds of each attribute among the persons where it is known, one of each added."""
    yes, no = (tracks.labels > 0).sum(0), (tracks.labels == 0).sum(0)
    return _rounded(np.log((yes + 1.0) / (no + 1.0)))


def _likeliest(fusion: TrackFusion, several: Tracks) -> TrackFusion:
    """The grid's best correlation and power of quality, over the tracks and their beginnings."""
    longest = int(several.lengths.max())
    cuts = [2**power for power in range(1, 31) if 2**power < 2 * longest]
    parts = [several.take(several.lengths > cut // 2).first(cut) for cut in cuts]
    tried = [
        dataclasses.replace(fusion, correlation=round(float(correlation), 3), quality_power=power)
        for power in _POWERS
        for correlation in _CORRELATIONS
    ]
    losses = [sum(_losses(option, part).sum() for part in parts) for option in tried]
    return tried[int(np.argmin(losses))]


def _none_of(fusion: TrackFusion, tracks: Tracks) -> tuple[float, ...]:
    """Of each exclusive set, what makes its labels likeliest.

    Of one that shares an attribute with another, 0: corrections of the same opinion would add up.
    """
    fused = tracks.fused(fusion)
    sets = tracks.decision.schema.exclusive_indices()
    times = Counter(member for members in sets for member in members)
    found = []
    for members in sets:
        places = list(members)
        if any(times[member] > 1 for member in members):
            found.append(0.0)
            continue
        labels = tracks.labels[:, places]
        usable = (labels >= 0).all(1) & ((labels > 0).sum(1) <= 1)
        losses = [_set_loss(fused[usable][:, places], labels[usable], none) for none in _NONE_OF]
        found.append(float(_NONE_OF[int(np.argmin(losses))]))
    return tuple(found)


def _set_loss(log_odds: _Floats, labels: npt.NDArray[np.int8], none: float) -> float:
    """Minus the log-likelihood of an exclusive set's labels, of which one or none is positive."""
    scores = np.concatenate([np.full((len(log_odds), 1), none), log_odds], 1)
    truth = np.where((labels > 0).any(1), labels.argmax(1) + 1, 0)
    chosen = scores[np.arange(len(scores)), truth]
    return float((np.logaddexp.reduce(scores, 1) - chosen).sum())


def _losses(fusion: TrackFusion, tracks: Tracks) -> _Floats:
    """Cross-entropy of each known label, [P, C]; 0 where it is unknown."""
    fused = tracks.fused(fusion)
    against = np.where(tracks.labels > 0, -fused, fused)
    return np.where(tracks.labels >= 0, np.logaddexp(0, against), 0.0)


def _spread(fusion: TrackFusion, several: Tracks) -> tuple[float, ...]:
    """Deviation of a crop of weight 1 from the mean of its person's crops, [C], log-odds."""
    squares, freedom = np.zeros(several.log_odds.shape[1]), 0
    for rows in several.rows:
        weight = fusion.weight(several.quality[rows])[:, None]
        own = several.log_odds[rows]
        mean = (weight * own).sum(0) / weight.sum()
        squares += (weight * (own - mean) ** 2).sum(0)
        freedom += len(rows) - 1
    return _rounded(np.maximum(np.sqrt(squares / freedom), _LEAST_SPREAD))


def _rounded(values: _Floats) -> tuple[float, ...]:
    """As they stand in a bundle."""
    return tuple(round(float(value), 4) for value in values)
