"""What three-way answers are worth on persons that the fit has not seen: coverage against risk.

Every person counts once: a person's crops, taken one by one, share one vote.

Fit on half of the persons, judge on the other half, both ways, for several divisions: every figure
is a mean over answers to persons who had no part in the parameters behind them. Calibration and
thresholds, which the decision brings along, were fitted on all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.posterior import TrackFusion
from edgeattr_train.platt import sigmoid
from edgeattr_train.track_fusion import at_bound, fit
from edgeattr_train.tracks import Tracks

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

BOUNDS = (0.01, 0.02, 0.05, 0.10)  # error rates among answers that are tabulated
ALL = "all"  # persons, each with the images there are
CROPS = "crops"  # of persons with several images, one by one
TRACKS = "tracks"  # the same persons, their images fused
_REPEATS = 5
_POINTS = 100  # of a curve
_PERCENT = 100.0


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """Answers at one stated bound, percent."""

    bound: float  # on the error among the yeses to an attribute, and among the noes
    coverage: float  # answers that are not unknown
    error: float  # of the answers that are wrong; NaN where there is none
    yes_error: float  # of the yeses
    no_error: float  # of the noes
    found: float  # of the true attributes, that are answered yes


@dataclass(frozen=True, eq=False, kw_only=True)
class RiskCurve:
    """Error among the surest answers, as more and more are given."""

    coverage: _Floats  # [K], percent
    risk: _Floats  # [K], percent of these answers that are wrong


@dataclass(frozen=True, eq=False, kw_only=True)
class Selective:
    """What was judged: under ``ALL``, and under ``CROPS`` and ``TRACKS`` where there are any."""

    points: Mapping[str, Sequence[OperatingPoint]]  # one per bound
    curves: Mapping[str, RiskCurve]

    def to_json(self, bound: float) -> dict[str, Any]:
        """What a bundle says of its bound, percentages."""
        chosen = [point for point in self.points[ALL] if point.bound == _PERCENT * bound]
        return {
            key: None if np.isnan(value) else round(value, 2)
            for point in chosen
            for key, value in dataclasses.asdict(point).items()
        }


def judge(
    tracks: Tracks, *, bounds: Sequence[float] = BOUNDS, repeats: int = _REPEATS, seed: int = 0
) -> Selective:
    """Cross-fit a track's fusion over persons.

    Args:
        tracks: of validation data, four persons at least.
        bounds: error rates among answers, 0..1.
        repeats: divisions into halves.
        seed: of the divisions.
    """
    counts: dict[str, list[_Floats]] = {}
    ranked: dict[str, list[_Floats]] = {}
    for fitted, judged in tracks.halves(repeats, seed):
        known = tracks.take(fitted)
        fusion = fit(known)
        options = [at_bound(fusion, known, bound) for bound in bounds]
        for kind, part, votes in _kinds(tracks.take(judged)):
            ranked.setdefault(kind, []).append(_by_sureness(part, fusion, votes))
            found = np.stack([_counts(part, option, votes) for option in options])
            counts.setdefault(kind, []).append(found)
    return Selective(
        points={
            kind: [_point(bound, row) for bound, row in zip(bounds, np.sum(parts, 0), strict=True)]
            for kind, parts in counts.items()
        },
        curves={kind: _curve(np.concatenate(parts)) for kind, parts in ranked.items()},
    )


def _kinds(tracks: Tracks) -> Iterator[tuple[str, Tracks, _Floats]]:
    """Name, tracks, and votes of each, [P], which sum to the number of persons."""
    yield ALL, tracks, np.ones(len(tracks))
    several = tracks.take(tracks.lengths > 1)
    if len(several):
        yield CROPS, several.singles(), np.repeat(1 / several.lengths, several.lengths)
        yield TRACKS, several, np.ones(len(several))


def answered(log_odds: _Floats, limits: _Floats, fusion: TrackFusion) -> tuple[_Mask, _Mask]:
    """Where the answer is yes, and where it is no: [P, C] each. Exclusive sets aside."""
    yes_margin, no_margin = fusion.margins(len(limits))
    margin = log_odds - limits
    return (margin > 0) & (margin >= yes_margin), (margin <= 0) & (-margin >= no_margin)


def _counts(tracks: Tracks, fusion: TrackFusion, votes: _Floats) -> _Floats:
    """Known labels, yeses, noes, wrong yeses, wrong noes, positives; in votes."""
    yes, no = answered(tracks.posterior(fusion), tracks.decision.limits, fusion)
    positive, negative = tracks.labels > 0, tracks.labels == 0
    known = positive | negative
    counted = (known, yes & known, no & known, yes & negative, no & positive, positive)
    return np.array([votes @ mask.sum(1) for mask in counted])


def _point(bound: float, counts: _Floats) -> OperatingPoint:
    known, yes, no, wrong_yes, wrong_no, positive = counts
    return OperatingPoint(
        bound=_PERCENT * bound,
        coverage=_share(yes + no, known),
        error=_share(wrong_yes + wrong_no, yes + no),
        yes_error=_share(wrong_yes, yes),
        no_error=_share(wrong_no, no),
        found=_share(yes - wrong_yes, positive),
    )


def _by_sureness(tracks: Tracks, fusion: TrackFusion, votes: _Floats) -> _Floats:
    """Of each known label's answer: chance of being wrong, whether it was, votes. [n, 3]."""
    fused, labels = tracks.posterior(fusion), tracks.labels
    yes = fused > tracks.decision.limits
    chance = sigmoid(np.where(yes, -fused, fused))
    wrong = yes != (labels > 0)
    each = np.broadcast_to(votes[:, None], labels.shape)
    return np.stack([part[labels >= 0] for part in (chance, wrong, each)], 1)


def _curve(answers: _Floats) -> RiskCurve:
    order = np.argsort(answers[:, 0], kind="stable")
    votes = np.cumsum(answers[order, 2])
    wrong = np.cumsum(answers[order, 1] * answers[order, 2])
    at = np.searchsorted(votes, np.linspace(0, votes[-1], _POINTS + 1)[1:] - 1e-6)
    return RiskCurve(
        coverage=_PERCENT * votes[at] / votes[-1], risk=_PERCENT * wrong[at] / votes[at]
    )


def _share(part: float, whole: float) -> float:
    return float(_PERCENT * part / whole) if whole else float("nan")
