"""A track played back: every crop classified, or those that a schedule takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeattr.core.decision import Decision
from edgeattr.core.posterior import TrackFusion, TrackPosterior
from edgeattr.video.schedule import CropAssessment, Schedule, TrackHistory

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Crop:
    """One crop of a person."""

    assessment: CropAssessment
    logits: npt.NDArray[np.float32]  # [C]


@dataclass(frozen=True, eq=False, kw_only=True)
class Played:
    """What came of one track. Answers are shares, 0..1: of a person's crops where each speaks."""

    crops: int  # classified
    yes: _Floats  # [C], answered yes where an answer must be given
    surely: _Floats  # [C], answered yes where unknown is allowed
    surely_not: _Floats  # [C], answered no there
    flips: int  # answers that changed from one image to the next
    steps: int  # pairs of (image, attribute) where they could


def play(
    track: Sequence[tuple[float, Crop]],
    decision: Decision,
    fusion: TrackFusion | None,
    schedule: Schedule | None,
) -> Played:
    """Play one track.

    Args:
        track: seconds and crops, in order.
        decision: of the model, sensitive attributes included.
        fusion: None: every crop is answered alone.
        schedule: None: every crop is classified.
    """
    limits = decision.limits
    if fusion is None:
        alone = np.stack([decision.log_odds(crop.logits) for _, crop in track])
        states, crops, margins = alone, len(track), TrackFusion().margins(len(limits))
        last = alone
    else:
        posterior, states = follow(track, decision, fusion, schedule)
        crops, margins, last = posterior.crops, fusion.margins(len(limits)), states[-1:]
    excess = last - limits
    said = states > limits
    return Played(
        crops=crops,
        yes=(excess > 0).mean(0),
        surely=((excess > 0) & (excess >= margins[0])).mean(0),
        surely_not=((excess <= 0) & (-excess >= margins[1])).mean(0),
        flips=int((said[1:] != said[:-1]).sum()),
        steps=said[1:].size,
    )


def follow(
    track: Sequence[tuple[float, Crop]],
    decision: Decision,
    fusion: TrackFusion,
    schedule: Schedule | None,
) -> tuple[TrackPosterior, _Floats]:
    """Fuse a track; the posterior at its end, and its log-odds after each image, [n, C]."""
    posterior, history, states = TrackPosterior(decision, fusion), TrackHistory(), []
    for seconds, crop in track:
        settled = posterior.settled
        if schedule is None or schedule.worth(
            crop.assessment, history, seconds=seconds, settled=settled
        ):
            posterior.add(crop.logits, crop.assessment.quality)
            history.add(crop.assessment, seconds)
        states.append(posterior.log_odds)
    return posterior, np.stack(states)
