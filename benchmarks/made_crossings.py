"""People who walk over a line and through a zone on known paths: what counts must say.

Twenty walk, ten from each side, on two paths, and meet; four linger on the line and go on, four
linger on it and turn back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from made_people import Place, Walker, cutout, draw

from edgeattr.core.crops import Image
from edgeattr.video.zones import Line, Zone

__all__ = ["GATE", "HALL", "SECONDS", "SIZE", "Crossing", "crossing_frames", "crossings"]

SIZE = 960, 540  # pixels
SECONDS = 39.0
GATE = Line(name="gate", points=((0.5, 0.0), (0.5, 1.0)))
HALL = Zone(name="hall", points=((0.35, 0.3), (0.65, 0.3), (0.65, 1.0), (0.35, 1.0)))

_PEOPLE = (4, 6, 7, 8, 15, 16, 19, 20, 22, 27)  # whom the detector of the wheel finds throughout
_TALL = 230.0  # pixels
_SPEED = 150.0  # pixels a second
_PACE = 3.0  # seconds from one to the next on a path
_KINDS = ("walks", "walks", "walks", "stops", "turns")
_STOPS = 1.5  # seconds on the line


@dataclass(frozen=True)
class Crossing:
    """One of them, and what is true."""

    walker: Walker
    direction: str | None  # over the line; None: turned back
    dwell: float  # seconds in the zone
    left: float  # it, seconds


def crossings(ccp: Path) -> list[Crossing]:
    """All twenty, in pairs that meet: one from each side, at two depths."""
    made = []
    for pair in range(10):
        for side in (0, 1):
            picture = cutout(ccp, _PEOPLE[(2 * pair + side) % len(_PEOPLE)])
            begins = _PACE * pair + 0.5 + 1.1 * side
            kind = _KINDS[(pair + 2 * side) % len(_KINDS)]
            made.append(_crossing(picture, begins, side == 0, 0.66 + 0.28 * side, kind))
    return made


def _crossing(
    picture: np.ndarray, begins: float, rightward: bool, feet: float, kind: str
) -> Crossing:
    width, height = SIZE
    middle = width / 2
    start = -0.3 * _TALL
    until = (middle - start) / _SPEED  # seconds to the line

    def gone(seconds: float) -> float:
        if kind == "walks" or seconds < until:
            return start + _SPEED * seconds
        stood = min(seconds - until, _STOPS)
        beyond = _SPEED * max(0.0, seconds - until - _STOPS)
        sways = 3.0 * np.sin(2 * np.pi * stood) if stood < _STOPS else 0.0  # over the line and back
        return middle + sways + (beyond if kind == "stops" else -beyond)

    def path(seconds: float) -> Place | None:
        x = gone(seconds - begins)
        if seconds < begins or not start <= x <= width - start:
            return None
        return (x if rightward else width - x), feet * height, _TALL

    times = np.arange(0, SECONDS, 0.001)
    inside = [
        (place := path(float(it))) is not None and 0.35 * width < place[0] < 0.65 * width
        for it in times
    ]
    direction = None if kind == "turns" else ("out" if rightward else "in")
    left = float(times[np.flatnonzero(inside)[-1]])
    return Crossing(Walker(picture, path), direction, 0.001 * float(np.sum(inside)), left)


def crossing_frames(scene: Image, made: list[Crossing], rate: float) -> Iterator[Image]:
    """The video."""
    scene = cv2.resize(scene, SIZE)
    walkers = [it.walker for it in made]
    for index in range(int(SECONDS * rate)):
        yield draw(scene, walkers, index / rate)
