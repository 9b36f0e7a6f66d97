"""People on a frame: boxes, and labels that cover nobody else where there is room."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.video.label_space import CELL, FONT, PAD, Box, LabelSpace, TextStyle, text_width
from edgeattr.video.options import ColourBy
from edgeattr.video.tracker import TrackedBox
from edgeattr.video.zone_monitor import ZoneMonitor

Colour = tuple[int, int, int]
"""Blue, green, red, 0..255."""

_COLOUR = (255, 255, 255)  # people have colours, places are white
_EDGE = (0, 0, 0)  # around it, so that it is seen on snow
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


def draw_zones(
    canvas: Image,
    monitor: ZoneMonitor,
    style: TextStyle,
    space: LabelSpace,
    colours: Mapping[str, Colour],
) -> None:
    """Draw outlines, names and counts onto a frame.

    Args:
        canvas: uint8 [H, W, 3], BGR; drawn on.
        monitor: has the zones, the lines and what was counted.
        style: for the size of the frame.
        space: what is taken; names are put where there is room, and take it.
        colours: of zones that are not white, by name.
    """
    size = canvas.shape[1], canvas.shape[0]
    for zone in monitor.zones:
        points = np.round(np.array(zone.points) * size).astype(np.int32)
        own = colours.get(zone.name, _COLOUR)
        for colour, width in ((_EDGE, style.border + 2), (own, style.border)):
            cv2.polylines(canvas, [points], isClosed=True, color=colour, thickness=width)
        inside, entered = monitor.occupancy[zone.name], monitor.entered[zone.name]
        _write(canvas, f"{zone.name}: {inside} in it, {entered} entered", points, style, space)
    for line in monitor.lines:
        start, end = (tuple(map(int, point)) for point in np.round(np.array(line.points) * size))
        for colour, width in ((_EDGE, style.border + 2), (_COLOUR, style.border)):
            cv2.line(canvas, start, end, colour, width, cv2.LINE_AA)
        _draw_way_in(canvas, np.array(start), np.array(end), style)
        crossed = (monitor.crossed[line.name, way] for way in ("in", "out"))
        text = "{}: {} in, {} out".format(line.name, *crossed)
        _write(canvas, text, np.array([start, end]), style, space)


def _draw_way_in(canvas: Image, start: object, end: object, style: TextStyle) -> None:
    """An arrow from the middle of a line to its right, seen from start to end."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    middle, along = (start + end) / 2, end - start
    across = np.array([-along[1], along[0]]) / max(1.0, float(np.hypot(*along))) * style.line
    tip = middle + across
    begin, stop = tuple(map(int, middle)), tuple(map(int, tip))
    cv2.arrowedLine(canvas, begin, stop, _EDGE, style.border + 2, tipLength=0.5)
    cv2.arrowedLine(canvas, begin, stop, _COLOUR, style.border, tipLength=0.5)


def _write(
    canvas: Image, text: str, points: npt.NDArray[np.int32], style: TextStyle, space: LabelSpace
) -> None:
    """Text on a darkened ground at the first of some points [n, 2] that has room, or the first."""
    pad = round(PAD * style.line)
    width, height = text_width(text, style) + 2 * pad, style.line + pad
    places = [
        (
            int(np.clip(x + right, 0, max(0, canvas.shape[1] - width))),
            int(np.clip(y + down, 0, max(0, canvas.shape[0] - height))),
        )
        for right, down in itertools.product((4, -width - 4), (4, -height - 4))
        for x, y in points
    ]
    boxes = [(left, top, left + width, top + height) for left, top in places]
    left, top, right, bottom = box = next(filter(space.is_free, boxes), boxes[0])
    space.take(box)
    ground = canvas[top:bottom, left:right]
    ground[...] = ground // 4
    place = (left + pad, top + pad // 2 + round(0.78 * style.line))
    cv2.putText(canvas, text, place, FONT, style.scale, _COLOUR, style.stroke, cv2.LINE_AA)


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
