"""Boxes and attributes on a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np

from edgeattr.core.crops import Image
from edgeattr.core.prediction import AttributeAnswer
from edgeattr.video.tracker import TrackedBox

__all__ = ["Box", "draw_people"]

Box = tuple[float, ...]
"""Left, top, right, bottom, pixels."""

_MOST_LINES = 7  # attributes shown beside a person
_HEAD = 0.25  # of a box's height: a person is seven to eight heads tall, detectors err, people bend
_ABOVE = 0.05  # of the height, above the box
_BESIDE = 0.05  # of the width, on each side
_SQUARES = 5  # in each direction
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_COLOURS = (  # blue-green-red, told apart by colour-blind eyes too (Okabe and Ito)
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
)


def draw_people(
    image: Image,
    people: Sequence[tuple[TrackedBox, Mapping[str, AttributeAnswer]]],
    *,
    blurred: Iterable[Box] = (),
) -> Image:
    """Draw on a copy.

    Args:
        image: uint8 [H, W, 3], BGR.
        people: each with what is known of them so far.
        blurred: boxes of people whose heads are made unrecognisable: the top of each box, whether
            or not a face is seen in it.

    Returns:
        uint8 [H, W, 3].
    """
    canvas = image.copy()
    for box in blurred:
        _blur_head(canvas, box)
    scale = max(0.4, image.shape[0] / 1100)
    for person, _ in people:
        left, top, right, bottom = map(round, person.box)
        colour = _COLOURS[person.track % len(_COLOURS)]
        cv2.rectangle(canvas, (left, top), (right, bottom), colour, max(2, round(2 * scale)))
    for person, answers in people:
        lines = [f"person {person.track}", *_lines(answers)]
        _label(canvas, person, lines, scale)
    return canvas


def _blur_head(canvas: Image, box: Box) -> None:
    """Average the head away: into few large squares, from which no face can be told."""
    left, top, right, bottom = box
    height, width = bottom - top, right - left
    rows = slice(max(0, round(top - _ABOVE * height)), max(0, round(top + _HEAD * height)))
    columns = slice(max(0, round(left - _BESIDE * width)), max(0, round(right + _BESIDE * width)))
    head = canvas[rows, columns]
    if head.size:
        few = cv2.resize(head, (_SQUARES, _SQUARES), interpolation=cv2.INTER_AREA)
        cv2.resize(few, head.shape[1::-1], dst=head, interpolation=cv2.INTER_NEAREST)


def _lines(answers: Mapping[str, AttributeAnswer]) -> list[str]:
    """The surest attributes that are answered yes."""
    present = [(value.p, name) for name, value in answers.items() if value.answer == "yes"]
    shown = sorted(present, reverse=True)[:_MOST_LINES]
    return [f"{name.replace('_', ' ')} {round(100 * p)}%" for p, name in shown]


def _label(canvas: Image, person: TrackedBox, lines: Sequence[str], scale: float) -> None:
    """Text beside the box, inside the picture, on a darkened ground."""
    sizes = [cv2.getTextSize(line, _FONT, scale, 1)[0] for line in lines]
    step = max(height for _, height in sizes) + round(10 * scale)
    width = max(width for width, _ in sizes) + round(12 * scale)
    height = step * len(lines) + round(14 * scale)
    left, top, right, _ = map(round, person.box)
    x = right + 2 if right + 2 + width <= canvas.shape[1] else left - 2 - width
    x = int(np.clip(x, 0, max(0, canvas.shape[1] - width)))
    y = int(np.clip(top, 0, max(0, canvas.shape[0] - height)))
    ground = canvas[y : y + height, x : x + width]
    ground[...] = ground // 3
    ground[: max(2, round(4 * scale))] = _COLOURS[person.track % len(_COLOURS)]
    for number, line in enumerate(lines):
        place = (x + round(6 * scale), y + step * (number + 1))
        cv2.putText(canvas, line, place, _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
