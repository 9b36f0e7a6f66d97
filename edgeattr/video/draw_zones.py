"""Zones and lines on a frame, with their counts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.video.label_space import LabelSpace
from edgeattr.video.text_style import FONT, PAD, TextStyle, text_width
from edgeattr.video.zone_monitor import ZoneMonitor

__all__ = ["Colour", "draw_zones"]

Colour = tuple[int, int, int]
"""Blue, green, red, 0..255."""

_COLOUR = (255, 255, 255)  # people have colours, places are white
_EDGE = (0, 0, 0)  # around it, so that it is seen on snow


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
