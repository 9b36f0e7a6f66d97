"""People on a frame: boxes, and labels that cover nobody else where there is room."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2

from edgeattr.core.crops import Image
from edgeattr.video.draw_zones import Colour, draw_zones
from edgeattr.video.label_space import CELL, Box, LabelSpace
from edgeattr.video.options import ColourBy
from edgeattr.video.text_style import FONT, PAD, TextStyle, text_width
from edgeattr.video.tracker import TrackedBox
from edgeattr.video.zone_monitor import ZoneMonitor

__all__ = ["PersonDrawing"]

_MOST_LABELS = 4  # attributes shown beside a person who has room
_CROWDED = 2  # attributes in the small form
_HEAD = 0.25  # of a box's height: a person is seven to eight heads tall, detectors err, people bend
_ABOVE = 0.05  # of the height, above the box
_BESIDE = 0.05  # of the width, on each side
_SQUARES = 5  # in each direction
_COLOURS = (  # blue-green-red, told apart by colour-blind eyes too (Okabe and Ito)
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (167, 121, 204),
)
_ALERT = (24, 16, 196)  # of boxes and labels of people who raised an alert
_PLAIN = (190, 190, 190)  # of people without an alert, or outside all zones
_ALERT_WIDTH = 2  # times as wide is the border of their boxes


@dataclass(frozen=True)
class PlacedLabel:
    """A label with its place."""

    lines: tuple[str, ...]
    box: tuple[int, int, int, int]  # left, top, right, bottom, pixels
    track: int


class PersonDrawing:
    """Draws people on the frames of one stream; labels keep their side while it is free.

    Args:
        zones: drawn with their counts.
        colour_by: what gives boxes their colours.
    """

    def __init__(self, zones: ZoneMonitor | None = None, *, colour_by: ColourBy = "track") -> None:
        self._zones, self._by = zones, colour_by
        names = [zone.name for zone in zones.zones] if zones and colour_by == "zone" else []
        self._zone_colours = dict(zip(names, itertools.cycle(_COLOURS), strict=False))
        self._sides: dict[int, int] = {}  # by track: which place beside the box the label had

    def draw(
        self,
        image: Image,
        people: Sequence[tuple[TrackedBox, Sequence[str]]],
        *,
        alerts: Mapping[int, Sequence[str]] = {},
        blurred: Iterable[Box] = (),
    ) -> Image:
        """Draw on a copy.

        Args:
            image: uint8 [H, W, 3], BGR.
            people: each with what tells them from others, in words, the most telling first.
            alerts: names of those that each person raised, by track.
            blurred: boxes of people whose heads are made unrecognisable: the top of each box,
                whether or not a face is seen in it.

        Returns:
            uint8 [H, W, 3].
        """
        canvas = image.copy()
        for box in blurred:
            _blur_head(canvas, box)
        style = TextStyle.of(image)
        space = LabelSpace(canvas, [seen.box for seen, _ in people])
        if self._zones:
            draw_zones(canvas, self._zones, style, space, self._zone_colours)
        colours = {
            person.track: _ALERT if alerts.get(person.track) else self._colour(person.track)
            for person, _ in people
        }
        for person, _ in sorted(people, key=lambda entry: bool(alerts.get(entry[0].track))):
            left, top, right, bottom = map(round, person.box)
            width = style.border * (_ALERT_WIDTH if alerts.get(person.track) else 1)
            cv2.rectangle(canvas, (left, top), (right, bottom), colours[person.track], width)
        for label in self.place_labels(people, alerts, style, space):
            ground = _ALERT if alerts.get(label.track) else None
            _draw_label(canvas, label, colours[label.track], ground, style)
        return canvas

    def _colour(self, track: int) -> Colour:
        """Of the box of somebody who raised no alert."""
        if self._by == "track":
            return _COLOURS[track % len(_COLOURS)]
        inside = self._zones.inside(track) if self._zones else ()
        return next(
            (self._zone_colours[name] for name in self._zone_colours if name in inside), _PLAIN
        )

    def place_labels(
        self,
        people: Sequence[tuple[TrackedBox, Sequence[str]]],
        alerts: Mapping[int, Sequence[str]],
        style: TextStyle,
        space: LabelSpace,
    ) -> list[PlacedLabel]:
        """The largest label that has room for each person: who raised an alert first, then the
        nearest."""
        placed, sides = [], {}
        for person, texts in sorted(
            people, key=lambda entry: (not alerts.get(entry[0].track), -_area(entry[0].box))
        ):
            found = self._largest(person, texts, alerts.get(person.track, ()), style, space)
            if found:
                sides[person.track], label = found
                space.take(label.box)
                placed.append(label)
        self._sides = sides
        return placed

    def _largest(
        self,
        person: TrackedBox,
        texts: Sequence[str],
        alerts: Sequence[str],
        style: TextStyle,
        space: LabelSpace,
    ) -> tuple[int, PlacedLabel] | None:
        """The side and the label; None where not even the number has room."""
        number = str(person.track)
        title = f"{number} {', '.join(alerts)}!" if alerts else number
        small = title if alerts else f"{number} {', '.join(texts[:_CROWDED])}"
        full = (title, *texts[:_MOST_LABELS])
        before = self._sides.get(person.track, 0)
        for lines in dict.fromkeys((full, (small,), (number,))):
            width, height = _size(lines, style)
            places = list(_beside(person.box, width, height))
            for side in sorted(range(len(places)), key=lambda side: side != before):
                if space.is_free(places[side]):
                    return side, PlacedLabel(lines, places[side], person.track)
        for corner in _corners(person.box, width, height):  # of the number alone, in the own box
            if space.is_own(corner):
                return before, PlacedLabel(lines, corner, person.track)
        return None


def _beside(box: Box, width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Places for a label of a size: right, left, above, below, and at the feet on both sides."""
    left, top, right, bottom = map(round, box)
    gap = CELL  # keeps clear of the cells of the person's own box
    for x, y in (
        (right + gap, top),
        (left - gap - width, top),
        (left, top - gap - height),
        (left, bottom + gap),
        (right + gap, bottom - height),
        (left - gap - width, bottom - height),
    ):
        yield x, y, x + width, y + height


def _corners(box: Box, width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Places for a label of a size inside a person's box, the upper ones first."""
    left, top, right, bottom = map(round, box)
    for y, x in itertools.product((top, bottom - height), (left, right - width)):
        yield x, y, x + width, y + height


def _area(box: Box) -> float:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def _size(lines: Sequence[str], style: TextStyle) -> tuple[int, int]:
    """Width and height of a label, pixels."""
    pad = 2 * round(PAD * style.line)
    width = max(text_width(line, style) for line in lines)
    return width + pad, style.line * len(lines) + pad // 2


def _draw_label(
    canvas: Image, label: PlacedLabel, colour: Colour, ground: Colour | None, style: TextStyle
) -> None:
    """White text on a ground, or on the darkened picture, with a coloured stripe on its left."""
    left, top, right, bottom = label.box
    beneath = canvas[top:bottom, left:right]
    beneath[...] = ground or beneath // 4
    beneath[:, : style.border] = colour
    pad = round(PAD * style.line)
    for number, line in enumerate(label.lines):
        place = (left + pad, top + pad // 2 + round(style.line * (number + 0.78)))
        cv2.putText(
            canvas, line, place, FONT, style.scale, (255, 255, 255), style.stroke, cv2.LINE_AA
        )


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
