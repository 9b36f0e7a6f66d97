"""Which crops are worth classifying, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeattr.crops import Image
from edgeattr.video.track import TrackedBox

__all__ = ["Schedule", "crop_of", "crop_quality"]

Box = tuple[float, float, float, float]

_MARGIN = 0.04  # of the box's sides, added around it: data sets crop people a little wide
_GOOD_HEIGHT = 160.0  # pixels: half of PETA's images are smaller
_EDGE = 2.0  # pixels from the border at which a box counts as cut off
_CUT_OFF = 0.3  # weight of a person who is cut off by the border


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a track's crop goes through the model."""

    warm_up: int = 4  # first crops of a track that are all classified
    every: float = 0.25  # then one in so many seconds
    stop_after: int = 24  # crops after which only better ones are worth it
    min_quality: float = 0.15  # crops below this wait for better ones
    better: float = 1.2  # how much better than the best so far a late crop must be

    def wants(
        self, quality: float, *, classified: int, seconds_since: float, best_quality: float
    ) -> bool:
        """Whether to classify a crop.

        Args:
            quality: of this crop, 0..1.
            classified: crops of the track that were classified before.
            seconds_since: seconds of video since the last of them.
            best_quality: the best of them, 0..1.
        """
        if quality < self.min_quality:
            return False
        if classified >= self.stop_after:
            return quality > best_quality * self.better
        if classified < self.warm_up:
            return True
        return seconds_since >= self.every or quality > best_quality * self.better


def crop_of(image: Image, box: Box) -> Image:
    """A view of the person, with a small margin, inside the picture; at least one pixel."""
    left, top, right, bottom = box
    margin_x, margin_y = (right - left) * _MARGIN, (bottom - top) * _MARGIN
    height, width = image.shape[:2]
    x0 = int(np.clip(np.floor(left - margin_x), 0, width - 1))
    y0 = int(np.clip(np.floor(top - margin_y), 0, height - 1))
    x1 = int(np.clip(np.ceil(right + margin_x), x0 + 1, width))
    y1 = int(np.clip(np.ceil(bottom + margin_y), y0 + 1, height))
    return image[y0:y1, x0:x1]


def crop_quality(person: TrackedBox, others: list[TrackedBox], image: Image) -> float:
    """How far a crop can be trusted, 0..1: its size, certainty, completeness and freeness."""
    left, top, right, bottom = person.box
    height, width = image.shape[:2]
    size = min(1.0, (bottom - top) / _GOOD_HEIGHT)
    cut = left <= _EDGE or top <= _EDGE or right >= width - _EDGE or bottom >= height - _EDGE
    hidden = max(
        (_covered(person.box, other.box) for other in others if other.track != person.track),
        default=0.0,
    )
    return size * person.score * (_CUT_OFF if cut else 1.0) * (1.0 - hidden)


def _covered(box: Box, other: Box) -> float:
    """Share of ``box`` that ``other`` covers, if ``other`` stands in front (its feet lower)."""
    if other[3] < box[3]:
        return 0.0
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((box[2] - box[0]) * (box[3] - box[1]))
