"""Text on frames: sizes that can be read on any picture."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2

from edgeattr.core.crops import Image

__all__ = ["FONT", "PAD", "TextStyle", "text_width"]

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
