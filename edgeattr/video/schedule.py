"""How far a crop can be trusted, what it shows, and which crops are worth classifying.

Quality is a product of four factors, 0..1 each. Their shapes follow how far this project's model
can be trusted on spoilt crops of PETA: the factor by which its
calibrated log-odds have to be shrunk so that probabilities stay true.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.video.boxes import AT_SIDE, Box
from edgeattr.video.tracker import TrackedBox

_Floats = npt.NDArray[np.float32]

_MARGIN = 0.04  # of the box's sides, added around it: data sets crop people a little wide
_FULL_HEIGHT = 40.0  # pixels of a person that is trusted by 1 - 1/e
_SHOWN_HEIGHT = 128.0  # pixels at which a picture shows 1 - 1/e of what people look for
_CUT = 4  # a picture that the border cuts is worth showing less than it is worth asking
_ROWS = 96  # at most, at which sharpness is measured
_BLUR = (0.28, 0.62)  # second to first differences: none is left below, nothing is missing above
_LEAST_SHARPNESS = 0.05
_ASPECT = 2.4  # height over width of a person who stands or walks
_MISSING = 1.4  # trust lost = this * (share of the person that is missing) ** 2
_TOUCHED = 0.95  # for each border touched, however whole the person seems
_LEAST_WHOLE = 0.1
_HIDDEN = 0.75  # share that is covered at which nothing can be trusted; lost with its cube
_VIEW = (16, 32)  # columns and rows of the picture that a view is made of
_CELLS = (4, 8)  # of a view
_FLAT = 1e-6
_VIEWS = 16  # of a track that are remembered


@dataclass(frozen=True, eq=False, kw_only=True)
class CropAssessment:
    """Quality of one crop of a person. Pixels are read only by what needs them."""

    crop: Image  # uint8 [h, w, 3], BGR; a view of the frame
    size: float  # trust by the person's height in pixels, 0..1
    whole: float  # trust by how much of the person lies inside the picture, 0..1
    free: float  # trust by how much is not covered by others who stand in front, 0..1

    @property
    def at_most(self) -> float:
        """What the quality cannot exceed, 0..1: the three above."""
        return self.size * self.whole * self.free

    @functools.cached_property
    def quality(self) -> float:
        """How far the crop can be trusted, 0..1."""
        return self.at_most * self.sharpness

    @property
    def worth_showing(self) -> float:
        """How well the crop shows the person to people, 0..1: from head to foot, and large."""
        height, width = self.crop.shape[:2]
        upright = min(1.0, height / (width * _ASPECT)) * math.pow(self.whole, _CUT)
        large = 1.0 - math.exp(-height / _SHOWN_HEIGHT)
        return float(self.quality * upright * large)

    @functools.cached_property
    def sharpness(self) -> float:
        """Trust by the detail there is beside the contrast, 0..1."""
        return _sharpness(self._grey.astype(np.float32))

    @functools.cached_property
    def view(self) -> _Floats:
        """Where the edges lie that go left, right, up and down: [128], of length 1."""
        return _view(self._grey)

    @functools.cached_property
    def _grey(self) -> npt.NDArray[np.uint8]:
        rows = min(_ROWS, self.crop.shape[0])
        columns = max(1, round(self.crop.shape[1] * rows / self.crop.shape[0]))
        grey = cv2.cvtColor(self.crop, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
        return small.astype(np.uint8, copy=False)


def assess_crop(image: Image, person: TrackedBox, others: Sequence[TrackedBox]) -> CropAssessment:
    """Assess the crop of a person in a frame; nothing is classified.

    Args:
        image: the frame, uint8 [H, W, 3], BGR.
        person: whose crop is assessed.
        others: who else is in the frame; may contain the person.
    """
    free = 1.0
    for other in others:
        if other.track != person.track:
            free *= 1.0 - _covered(person.box, other.box)
    return CropAssessment(
        crop=crop_of(image, person.box),
        size=_size(person.box[3] - person.box[1]),
        whole=_whole(person.box, image.shape[1], image.shape[0]),
        free=_free(1.0 - free),
    )


def assess_whole_crop(crop: Image) -> CropAssessment:
    """Assess a crop that stands alone, as data sets have them: whole and uncovered.

    Args:
        crop: uint8 [h, w, 3], BGR.
    """
    return CropAssessment(crop=crop, size=_size(crop.shape[0]), whole=1.0, free=1.0)


def crop_of(image: Image, box: Box) -> Image:
    """A view of the person, with a small margin, inside the picture; at least one pixel."""
    left, top, right, bottom = box
    margin_x, margin_y = (right - left) * _MARGIN, (bottom - top) * _MARGIN
    height, width = image.shape[:2]
    x0 = min(max(int(np.floor(left - margin_x)), 0), width - 1)
    y0 = min(max(int(np.floor(top - margin_y)), 0), height - 1)
    x1 = min(max(int(np.ceil(right + margin_x)), x0 + 1), width)
    y1 = min(max(int(np.ceil(bottom + margin_y)), y0 + 1), height)
    return image[y0:y1, x0:x1]


def _size(height: float) -> float:
    return 1.0 - math.exp(-((height / _FULL_HEIGHT) ** 2))


def _sharpness(grey: _Floats) -> float:
    """Of the blurrier direction, so that the blur of motion counts: second to first differences."""
    ratios = []
    for first in (grey[1:] - grey[:-1], (grey[:, 1:] - grey[:, :-1]).T):
        if len(first) > 1:
            second = first[1:] - first[:-1]
            # the constants keep noise of a grey level from making a flat picture sharp
            ratios.append((_power(second) + 1.0) / (_power(first) + 16.0))
    ratio = math.sqrt(min(ratios, default=0.0))
    low, high = _BLUR
    return min(1.0, max(_LEAST_SHARPNESS, (ratio - low) / (high - low)))


def _power(values: _Floats) -> float:
    """Mean square."""
    flat = np.ascontiguousarray(values).ravel()
    return float(flat @ flat) / max(1, flat.size)


def _view(grey: npt.NDArray[np.uint8]) -> _Floats:
    """Slopes in four directions, each averaged over 4 x 8 cells; contrast does not count."""
    small = cv2.resize(grey, _VIEW, interpolation=cv2.INTER_AREA)
    across, down = (cv2.Sobel(small, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0))
    zero = np.zeros_like(across)
    slopes = [np.maximum(sign * slope, zero) for slope in (across, down) for sign in (1, -1)]
    cells = cv2.resize(cv2.merge(slopes), _CELLS, interpolation=cv2.INTER_AREA)
    roots = np.sqrt(cells.ravel())
    return np.asarray(roots / (np.linalg.norm(roots) + _FLAT), np.float32)


def _whole(box: Box, width: int, height: int) -> float:
    """Trust left for a person whom the picture's border may cut off."""
    left, top, right, bottom = box
    sides = (left <= AT_SIDE) + (right >= width - AT_SIDE)
    ends = (top <= AT_SIDE) + (bottom >= height - AT_SIDE)
    wide, high = max(right - left, 1.0), max(bottom - top, 1.0)
    trust = _TOUCHED ** (sides + ends)
    if ends:
        trust *= 1.0 - _MISSING * max(0.0, 1.0 - high / (wide * _ASPECT)) ** 2
    if sides:
        trust *= 1.0 - _MISSING * max(0.0, 1.0 - wide * _ASPECT / high) ** 2
    return max(_LEAST_WHOLE, trust)


def _free(share: float) -> float:
    """Trust left for a person of whom a share is covered."""
    return max(0.0, 1.0 - (share / _HIDDEN) ** 3)


def _covered(box: Box, other: Box) -> float:
    """Share of ``box`` that ``other`` covers, if ``other`` stands in front (its feet lower)."""
    if other[3] < box[3]:
        return 0.0
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((box[2] - box[0]) * (box[3] - box[1]))


class TrackHistory:
    """What was classified of one track so far."""

    def __init__(self) -> None:
        self.crops = 0  # how many
        self.best_quality = 0.0  # of them, 0..1
        self.evidence = 0.0  # sum of their qualities
        self.last_seconds = -math.inf  # when the last of them was seen
        self.doubtful = False  # whether the track may show somebody else since
        self._views: deque[npt.NDArray[np.float32]] = deque(maxlen=_VIEWS)

    def add(self, assessment: CropAssessment, seconds: float) -> None:
        """Note that a crop goes through the model.

        Args:
            assessment: of the crop.
            seconds: of video.
        """
        self.doubtful = False
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

        A track's first crop comes before all others, as soon as it is any good, and so does one of
        a track that may show somebody else. Then the worth is
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
        done = (settled or history.crops >= self.stop_after) and not history.doubtful
        if done or waited < self.every:
            least = max(least, self.better * history.best_quality)
        if assessment.at_most < least or assessment.quality < least:  # the first needs no pixels
            return 0.0
        if not history.crops or history.doubtful:
            return 1.0 + assessment.quality
        new = history.change(assessment)
        better = assessment.quality >= self.better * history.best_quality
        if new < self.new_view and waited < self.waited and not better:
            return 0.0
        return assessment.quality * max(new, self.new_view) / (1.0 + history.evidence) ** 2


class CropBudget:
    """Crops that may be classified in a second of video: a token bucket.

    A second's worth may be saved up for a crowded frame.

    Args:
        crops_per_second: on average; None for no limit.
    """

    def __init__(self, crops_per_second: float | None = None) -> None:
        self._rate = crops_per_second
        self._most = max(1.0, crops_per_second or 0.0)
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
