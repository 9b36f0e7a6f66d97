"""Which crops are worth classifying, and in which order when not all can be."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeattr.video.crop_quality import CropAssessment, assess_crop, assess_whole_crop, crop_of

__all__ = [
    "CropAssessment",
    "CropBudget",
    "Schedule",
    "TrackHistory",
    "assess_crop",
    "assess_whole_crop",
    "crop_of",
]

_VIEWS = 16  # of a track that are remembered


class TrackHistory:
    """What was classified of one track so far."""

    def __init__(self) -> None:
        self.crops = 0  # how many
        self.best_quality = 0.0  # of them, 0..1
        self.evidence = 0.0  # sum of their qualities
        self.last_seconds = -math.inf  # when the last of them was seen
        self._views: deque[npt.NDArray[np.float32]] = deque(maxlen=_VIEWS)

    def add(self, assessment: CropAssessment, seconds: float) -> None:
        """Note that a crop goes through the model.

        Args:
            assessment: of the crop.
            seconds: of video.
        """
        self.crops += 1
        self.best_quality = max(self.best_quality, assessment.quality)
        self.evidence += assessment.quality
        self.last_seconds = seconds
        self._views.append(assessment.view)

    def take_back(self, assessment: CropAssessment) -> None:
        """Note that a crop that was added got no answer from the model."""
        self.crops = max(0, self.crops - 1)
        self.evidence = max(0.0, self.evidence - assessment.quality)
        self._views = deque((view for view in self._views if view is not assessment.view), _VIEWS)
        if not self.crops:
            self.best_quality = 0.0

    def change(self, assessment: CropAssessment) -> float:
        """Change of view from the most alike crop that is remembered, 0..1; 1 before the first."""
        alike = max((float(assessment.view @ view) for view in self._views), default=0.0)
        return min(1.0, max(0.0, 1.0 - alike))


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a track's crop goes through the model."""

    min_quality: float = 0.1  # crops below this wait for better ones
    every: float = 0.2  # seconds of video between two crops of a track, at least
    new_view: float = 0.1  # change of view, 0..1, from which a crop tells something new
    waited: float = 2.0  # seconds after which an old view is worth another crop
    better: float = 1.5  # how much better than the best so far a crop must be to jump the queue
    stop_after: int = 24  # crops of a track after which only better ones are worth it

    def worth(
        self, assessment: CropAssessment, history: TrackHistory, *, seconds: float, settled: bool
    ) -> float:
        """How informative a crop would be; 0: not worth classifying.

        A track's first crop comes before all others, as soon as it is any good. Then the worth is
        what the crop adds to the evidence there is: its quality, times how new its view is, over
        the square of that evidence. A settled track, or one that had its crops, is looked at again
        only in a crop so much better that the answer may rest on bad ones.

        Args:
            assessment: at the crop.
            history: of its track.
            seconds: of video, now.
            settled: whether the track's posterior is.
        """
        least = self.min_quality
        waited = seconds - history.last_seconds
        if settled or history.crops >= self.stop_after or waited < self.every:
            least = max(least, self.better * history.best_quality)
        if assessment.at_most < least or assessment.quality < least:  # the first needs no pixels
            return 0.0
        if not history.crops:
            return 1.0 + assessment.quality
        new = history.change(assessment)
        better = assessment.quality >= self.better * history.best_quality
        if new < self.new_view and waited < self.waited and not better:
            return 0.0
        return assessment.quality * max(new, self.new_view) / (1.0 + history.evidence) ** 2


class CropBudget:
    """Crops that may be classified in a second of video: a token bucket.

    Args:
        crops_per_second: on average; None for no limit.
        burst: crops that may be saved up for a crowded frame; a second's worth if None.
    """

    def __init__(self, crops_per_second: float | None = None, burst: float | None = None) -> None:
        self._rate = crops_per_second
        self._most = max(1.0, (crops_per_second or 0.0) if burst is None else burst)
        self._tokens = self._most
        self._seconds: float | None = None

    def take(self, worths: Sequence[float], seconds: float) -> list[int]:
        """Choose among the crops of a moment.

        Args:
            worths: of each; those of 0 are not chosen.
            seconds: of video, now; the bucket fills by what has gone by since the last call.

        Returns:
            Places in ``worths``, the most informative first, as many as may be classified.
        """
        order = sorted(
            (place for place, worth in enumerate(worths) if worth > 0),
            key=lambda place: -worths[place],
        )
        if self._rate is None:
            return order
        if self._seconds is not None:
            passed = max(0.0, seconds - self._seconds)
            self._tokens = min(self._most, self._tokens + passed * self._rate)
        self._seconds = seconds
        chosen = order[: int(self._tokens + 1e-9)]
        self._tokens -= len(chosen)
        return chosen
