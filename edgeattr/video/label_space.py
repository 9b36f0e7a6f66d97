"""Text on frames: sizes that can be read, and where there is room for it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from edgeattr.core.crops import Image

FONT = cv2.FONT_HERSHEY_SIMPLEX

PAD = 0.35
"""Of a line's height, around text."""


@dataclass(frozen=True)
class TextStyle:
    """Sizes for one size of picture, pixels."""

    scale: float  # of the font
    stroke: int  # of text
    line: int  # height of a line of text
    border: int  # of a box

    @classmethod
    def of(cls, image: Image) -> TextStyle:
        """Text of 1/42 of the picture's shorter side, 13 pixels at least."""
        height = max(13, round(min(image.shape[:2]) / 42))
        stroke = max(1, round(height / 14))
        scale = cv2.getFontScaleFromHeight(FONT, round(height * 0.72), stroke)
        return cls(scale, stroke, round(height * 1.35), max(2, round(height / 8)))


@functools.lru_cache(maxsize=4096)
def text_width(text: str, style: TextStyle) -> int:
    """Pixels that a line of text takes."""
    return int(cv2.getTextSize(text, FONT, style.scale, style.stroke)[0][0])


Box = tuple[float, ...]
"""Left, top, right, bottom, pixels."""

CELL = 4
"""Pixels, of the map of what is taken."""


class LabelSpace:
    """What of a picture is taken by people and by labels, in cells of a few pixels.

    Args:
        image: the picture.
        boxes: of people.
    """

    def __init__(self, image: Image, boxes: Iterable[Box]) -> None:
        self._height, self._width = image.shape[:2]
        cells = (self._height // CELL + 1, self._width // CELL + 1)
        self._people = np.zeros(cells, np.uint8)  # how many boxes lie over each cell
        self._labels = np.zeros(cells, bool)
        for box in boxes:
            self._people[_cells(box)] += 1

    def take(self, box: Box) -> None:
        """Put a label there."""
        self._labels[_cells(box)] = True

    def is_free(self, box: Box) -> bool:
        """Whether a label fits there without covering a person or another label."""
        return self._is_inside(box) and not (
            self._people[_cells(box)].any() or self._labels[_cells(box)].any()
        )

    def is_own(self, box: Box) -> bool:
        """Whether a label inside a person's own box covers nobody else and no other label."""
        return self._is_inside(box) and not (
            (self._people[_cells(box)] > 1).any() or self._labels[_cells(box)].any()
        )

    def _is_inside(self, box: Box) -> bool:
        left, top, right, bottom = box
        return left >= 0 and top >= 0 and right <= self._width and bottom <= self._height


def _cells(box: Box) -> tuple[slice, slice]:
    left, top, right, bottom = (max(0, round(value)) for value in box)
    return slice(top // CELL, -(-bottom // CELL)), slice(left // CELL, -(-right // CELL))
