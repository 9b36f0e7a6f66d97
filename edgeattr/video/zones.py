"""Zones and lines in a camera's picture, as they are configured."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeattr.core.errors import UsageError

Anchor = Literal["feet", "centre", "head"]
Point = tuple[float, float]
"""x, y."""

ANCHORS: dict[str, float] = {"head": 0.0, "centre": 0.5, "feet": 1.0}  # of the box's height


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A polygon in a camera's picture.

    Raises:
        UsageError: a name that is none, a point outside the picture, edges that cross, a corner
            that is there twice, or nothing enclosed.
    """

    name: str
    points: tuple[Point, ...]  # corners in order, fractions of the picture's width and height
    anchor: Anchor = "feet"

    def __post_init__(self) -> None:
        where = f"zone {self.name!r}"
        _check_name(where, self.name)
        if len(self.points) < 3:
            raise UsageError(f"{where} has {_count(self.points)}; expected at least 3")
        _check_points(where, self.points)
        _check_anchor(where, self.anchor)
        corners = range(len(self.points))
        for one, other in itertools.combinations(corners, 2):
            if self.points[one] == self.points[other]:
                raise UsageError(
                    f"{where}: corners {one + 1} and {other + 1} are the same; give each once, the "
                    "last is joined to the first"
                )
        for one, other in itertools.combinations(corners, 2):
            if other - one in (1, len(self.points) - 1):
                continue  # neighbours share a corner
            if _cross(*self._edge(one), *self._edge(other)):
                raise UsageError(
                    f"{where}: the edge after corner {one + 1} crosses the one after corner "
                    f"{other + 1}; give the corners in order around the zone"
                )
        if abs(self._area()) < 1e-6:
            raise UsageError(f"{where}: its corners lie on one line and enclose nothing")

    def _edge(self, index: int) -> tuple[Point, Point]:
        return self.points[index], self.points[(index + 1) % len(self.points)]

    def _area(self) -> float:
        edges = map(self._edge, range(len(self.points)))
        return sum(ax * by - bx * ay for (ax, ay), (bx, by) in edges) / 2


@dataclass(frozen=True, kw_only=True)
class Line:
    """A directed line in a camera's picture; "in" is from its left to its right.

    Raises:
        UsageError: a name that is none, a point outside the picture, or both points the same.
    """

    name: str
    points: tuple[Point, ...]  # start and end, fractions of the picture's width and height
    anchor: Anchor = "feet"

    def __post_init__(self) -> None:
        where = f"line {self.name!r}"
        _check_name(where, self.name)
        if len(self.points) != 2:
            raise UsageError(f"{where} has {_count(self.points)}; a line has two")
        _check_points(where, self.points)
        _check_anchor(where, self.anchor)
        if self.points[0] == self.points[1]:
            raise UsageError(f"{where}: both points are {self.points[0]}")


def parse_zone(text: str) -> Zone:
    """``NAME=x,y,x,y,x,y,...`` to a zone.

    Raises:
        UsageError: the text is not of that form, or the zone is not one.
    """
    name, points = _parse(text, "--zone", "NAME=x,y,x,y,x,y,...")
    return Zone(name=name, points=points)


def parse_line(text: str) -> Line:
    """``NAME=x,y,x,y`` to a line.

    Raises:
        UsageError: the text is not of that form, or the line is not one.
    """
    name, points = _parse(text, "--line", "NAME=x,y,x,y")
    return Line(name=name, points=points)


def _parse(text: str, option: str, form: str) -> tuple[str, tuple[Point, ...]]:
    name, equals, rest = text.partition("=")
    name = name.strip()
    wanted = f"{option} {text!r}: expected {form}, fractions of the picture from 0 to 1"
    if not equals or not name:
        raise UsageError(wanted)
    numbers = []
    for place, part in enumerate(rest.split(","), start=1):
        try:
            numbers.append(float(part))
        except ValueError as error:
            raise UsageError(f"{wanted}; number {place} is {part.strip()!r}") from error
    if len(numbers) % 2:
        raise UsageError(f"{wanted}; {len(numbers)} numbers are not pairs")
    return name, tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _check_name(where: str, name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise UsageError(f"{where}: expected a name of letters, digits and signs on one line")


def _count(points: Sequence[Point]) -> str:
    return f"{len(points)} point{'' if len(points) == 1 else 's'}"


def _check_points(where: str, points: Sequence[Point]) -> None:
    for number, (x, y) in enumerate(points, start=1):
        if not (0 <= x <= 1 and 0 <= y <= 1):  # also catches NaN
            raise UsageError(
                f"{where}: point {number} ({x:g}, {y:g}) lies outside the picture; points are "
                "fractions of its width and height, from 0 to 1"
            )


def _check_anchor(where: str, anchor: str) -> None:
    if anchor not in ANCHORS:
        raise UsageError(f"{where}: anchor {anchor!r}; expected one of {', '.join(ANCHORS)}")


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two segments cross or touch."""

    def turn(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0
