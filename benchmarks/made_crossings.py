"""People who walk over a line and through a zone on known paths: what counts must say.

Twenty walk, ten from each side, on two paths, and meet; four linger on the line and go on, four
linger on it and turn back. Who, when, how tall and how fast is drawn by a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from made_people import Place, Walker, cutout, draw

from edgeattr.core.crops import Image
from edgeattr.video.zones import Line, Zone

SIZE = 960, 540  # pixels
SECONDS = 41.0
GATE = Line(name="gate", points=((0.5, 0.0), (0.5, 1.0)))
HALL = Zone(name="hall", points=((0.35, 0.3), (0.65, 0.3), (0.65, 1.0), (0.35, 1.0)))

_PEOPLE = (4, 6, 7, 8, 15, 16, 19, 20, 22, 27)  # whom the detector of the wheel finds throughout
_TALL = 210.0, 250.0  # pixels
_SPEED = 130.0, 170.0  # pixels a second, of all
_PACE = 3.0  # seconds from one to the next on a path
_LATE = 0.5  # seconds, at most, that one begins later
_KINDS = ("stops",) * 4 + ("turns",) * 4 + ("walks",) * 12
_STOPS = 1.0, 2.0  # seconds on the line
_FEET = 0.66, 0.94  # of the picture's height, by side
_BESIDE = 0.015  # of the picture's height, at most, off that path


@dataclass(frozen=True)
class Crossing:
    """One of them, and what is true."""

    walker: Walker
    direction: str | None  # over the line; None: turned back
    dwell: float  # seconds in the zone
    left: float  # it, seconds


def crossings(ccp: Path, seed: int) -> list[Crossing]:
    """All twenty, in pairs that meet: one from each side, at two depths."""
    rng = np.random.default_rng(seed)
    pictures = [cutout(ccp, number) for number in rng.permutation(_PEOPLE)]
    kinds, speed = rng.permutation(_KINDS), rng.uniform(*_SPEED)
    made = []
    for place in range(20):
        pair, side = divmod(place, 2)
        feet = (_FEET[side] + rng.uniform(-_BESIDE, _BESIDE)) * SIZE[1]
        begins = _PACE * pair + 0.5 + 1.1 * side + rng.uniform(0, _LATE)
        body = feet, rng.uniform(*_TALL)
        picture, stops = pictures[place % len(pictures)], rng.uniform(*_STOPS)
        path = _path(body, begins, speed, kinds[place], stops, rightward=side == 0)
        made.append(_crossing(Walker(picture, path), kinds[place], rightward=side == 0))
    return made


def _path(
    body: tuple[float, float], begins: float, speed: float, kind: str, stops: float,
    *, rightward: bool,
) -> Callable[[float], Place | None]:  # fmt: skip
    width = SIZE[0]
    feet, tall = body
    start = -0.3 * tall
    until = (width / 2 - start) / speed  # seconds to the line

    def gone(seconds: float) -> float:
        if kind == "walks" or seconds < until:
            return start + speed * seconds
        stood = min(seconds - until, stops)
        beyond = speed * max(0.0, seconds - until - stops)
        sways = 3.0 * np.sin(2 * np.pi * stood) if stood < stops else 0.0  # over the line and back
        return width / 2 + sways + (beyond if kind == "stops" else -beyond)

    def path(seconds: float) -> Place | None:
        x = gone(seconds - begins)
        if seconds < begins or not start <= x <= width - start:
            return None
        return (x if rightward else width - x), feet, tall

    return path


def _crossing(walker: Walker, kind: str, *, rightward: bool) -> Crossing:
    width = SIZE[0]
    times = np.arange(0, SECONDS, 0.001)
    inside = [
        (place := walker.path(float(it))) is not None and 0.35 * width < place[0] < 0.65 * width
        for it in times
    ]
    direction = None if kind == "turns" else ("out" if rightward else "in")
    left = float(times[np.flatnonzero(inside)[-1]])
    return Crossing(walker, direction, 0.001 * float(np.sum(inside)), left)


def crossing_frames(scene: Image, made: list[Crossing], rate: float) -> Iterator[Image]:
    """The video."""
    scene = cv2.resize(scene, SIZE)
    walkers = [it.walker for it in made]
    for index in range(int(SECONDS * rate)):
        yield draw(scene, walkers, index / rate)
