"""Zones and lines on a frame, with their counts."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from edgeattr.core.crops import Image
from edgeattr.video.text_style import FONT, TextStyle, text_width
from edgeattr.video.zone_monitor import ZoneMonitor

__all__ = ["Colour", "draw_zones"]

Colour = tuple[int, int, int]
"""Blue, green, red, 0..255."""

_COLOUR = (255, 255, 255)  # people have colours, places are white
_EDGE = (0, 0, 0)  # around it, so that it is seen on snow


def draw_zones(
    canvas: Image, monitor: ZoneMonitor, style: TextStyle, colours: Mapping[str, Colour] = {}
) -> None:
    """Draw outlines, names and counts onto a frame.

    Args:
        canvas: uint8 [H, W, 3], BGR; drawn on.
        monitor: has the zones, the lines and what was counted.
        style: for the size of the frame.
        colours: of zones that are not white, by name.
    """
    size = canvas.shape[1], canvas.shape[0]
    for zone in monitor.zones:
        points = np.round(np.array(zone.points) * size).astype(np.int32)
        own = colours.get(zone.name, _COLOUR)
        for colour, width in ((_EDGE, style.border + 2), (own, style.border)):
            cv2.polylines(canvas, [points], isClosed=True, color=colour, thickness=width)
        inside, entered = monitor.occupancy[zone.name], monitor.entered[zone.name]
        _write(canvas, f"{zone.name}: {inside} in it, {entered} entered", points[0], style)
    for line in monitor.lines:
        start, end = (tuple(map(int, point)) for point in np.round(np.array(line.points) * size))
        for colour, width in ((_EDGE, style.border + 2), (_COLOUR, style.border)):
            cv2.line(canvas, start, end, colour, width, cv2.LINE_AA)
        _draw_way_in(canvas, np.array(start), np.array(end), style)
        crossed = (monitor.crossed[line.name, way] for way in ("in", "out"))
        text = "{}: {} in, {} out".format(line.name, *crossed)
        _write(canvas, text, np.array(start), style)


def _draw_way_in(canvas: Image, start: object, end: object, style: TextStyle) -> None:
    """An arrow from the middle of a line to its right, seen from start to end."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    middle, along = (start + end) / 2, end - start
    across = np.array([-along[1], along[0]]) / max(1.0, float(np.hypot(*along))) * style.line
    tip = middle + across
    begin, stop = tuple(map(int, middle)), tuple(map(int, tip))
    cv2.arrowedLine(canvas, begin, stop, _EDGE, style.border + 2, tipLength=0.5)
    cv2.arrowedLine(canvas, begin, stop, _COLOUR, style.border, tipLength=0.5)


def _write(canvas: Image, text: str, at: object, style: TextStyle) -> None:
    """Text on a darkened ground at a point, moved into the picture."""
    x, y = np.asarray(at)
    width, height = text_width(text, style) + 8, style.line + 4
    left = int(np.clip(x + 4, 0, max(0, canvas.shape[1] - width)))
    top = int(np.clip(y + 4, 0, max(0, canvas.shape[0] - height)))
    ground = canvas[top : top + height, left : left + width]
    ground[...] = ground // 4
    place = (left + 4, top + round(0.82 * style.line))
    cv2.putText(canvas, text, place, FONT, style.scale, _COLOUR, style.stroke, cv2.LINE_AA)
