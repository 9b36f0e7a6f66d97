"""Zones and lines of one camera: who is in a zone and for how long, who crosses a line which way.

A person counts by one point of their box, the feet unless said otherwise. Points near an edge are
undecided: a person changes sides once their point has been past the edge by a margin, which grows
with their size, for 0.15 s: boxes are wider for a moment while somebody else passes. So
somebody who lingers on a line is not counted twice, and a crossing has the moment at which the
point passed the edge, interpolated between frames.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import UsageError
from edgeattr.core.prediction import TrackRecord
from edgeattr.video.tracker import TrackedBox
from edgeattr.video.zones import ANCHORS, Line, Point, Zone

_MARGIN = 0.04  # of a person's height: least distance of a point from an edge to change sides
_STEADY_SECONDS = 0.15  # least time past the margin to change sides
_OVER_THE_END = 0.02  # of a line's length: a crossing as far beyond its end still counts


@dataclass(frozen=True, kw_only=True)
class ZoneEvent:
    """Somebody entered or left a zone, or crossed a line."""

    kind: Literal["zone", "line"]
    name: str  # of the zone or line
    event: Literal["entered", "left", "in", "out"]
    track: int
    seconds: float  # of the stream, when the point passed the edge
    count: int  # zone: people in it now; line: crossings this way so far
    dwell_s: float | None = None  # of who left a zone

    def to_json(self, stream: str) -> dict[str, Any]:
        """One line of the events file."""
        what = (
            {"zone": self.name, "event": self.event, "occupancy": self.count}
            if self.kind == "zone"
            else {"line": self.name, "direction": self.event, "count": self.count}
        )
        dwell = {} if self.dwell_s is None else {"dwell_s": round(self.dwell_s, 3)}
        return {
            "type": self.kind,
            "stream": stream,
            "track": self.track,
            "time_s": round(self.seconds, 3),
            **what,
            **dwell,
        }


class _Sighting(NamedTuple):
    """Where a person stands towards one zone or line in one frame."""

    track: int
    seconds: float
    point: Point  # pixels
    corners: npt.NDArray[np.float32]  # [N, 2], pixels
    margin: float  # pixels


@dataclass
class _Visit:
    """What is known of one person and one zone or line."""

    side: bool | None = None  # inside, or right of the line; None: not decided yet
    last: tuple[float, Point] | None = None  # seconds and point of the last frame, pixels
    passed: float = 0.0  # when the point last passed the edge, or appeared, seconds
    beyond: float | None = None  # since when it is on the other side past the margin, seconds
    on_line: bool = False  # whether it passed within the line's ends
    since: float = 0.0  # when the person entered, seconds
    dwell: float = 0.0  # in the zone until they last left it, seconds
    crossings: Counter[str] = field(default_factory=Counter)  # of the line, by direction


_NEVER = _Visit()


@dataclass
class _Person:
    seen: float = 0.0  # seconds
    visits: dict[str, _Visit] = field(default_factory=dict)  # by the zone's or line's name


class ZoneMonitor:
    """Follows the people of one stream through its zones and over its lines.

    Args:
        zones: each name once, lines included.
        lines: likewise.

    Raises:
        UsageError: a name is given twice.
    """

    def __init__(self, zones: Iterable[Zone] = (), lines: Iterable[Line] = ()) -> None:
        self.zones, self.lines = tuple(zones), tuple(lines)
        self._shapes: tuple[Zone | Line, ...] = (*self.zones, *self.lines)
        names = Counter(it.name for it in self._shapes)
        for name, times in names.items():
            if times > 1:
                raise UsageError(f"two zones or lines are called {name!r}; give each its own name")
        self._points = {
            shape.name: np.array(
                _open_at_border(shape.points) if isinstance(shape, Zone) else shape.points,
                np.float32,
            )
            for shape in self._shapes
        }
        self.occupancy: Counter[str] = Counter()  # people in each zone now
        self.entered: Counter[str] = Counter()  # by zone, so far
        self.left: Counter[str] = Counter()  # likewise
        self.crossed: Counter[tuple[str, str]] = Counter()  # by line and direction, so far
        self._answered: dict[str, Counter[str]] = {zone.name: Counter() for zone in self.zones}
        self._people: dict[int, _Person] = {}

    def update(
        self, seconds: float, people: Sequence[TrackedBox], size: tuple[int, int]
    ) -> list[ZoneEvent]:
        """Take in where people are.

        Args:
            seconds: of the frame.
            people: with boxes in pixels.
            size: width and height of the picture, pixels.

        Returns:
            Who entered, left or crossed.
        """
        events: list[ZoneEvent] = []
        scale = np.array(size, np.float32)
        corners = {name: points * scale for name, points in self._points.items()}
        for seen in people:
            person = self._people.setdefault(seen.track, _Person())
            person.seen = seconds
            margin = _MARGIN * (seen.box[3] - seen.box[1])
            for shape in self._shapes:
                visit = person.visits.setdefault(shape.name, _Visit())
                point = _anchor_of(seen, shape.anchor)
                now = _Sighting(seen.track, seconds, point, corners[shape.name], margin)
                if isinstance(shape, Zone):
                    events += self._in_zone(shape, visit, now)
                else:
                    events += self._over_line(shape, visit, now)
                visit.last = seconds, point
        return events

    def settle(self, tracks: Iterable[int]) -> list[ZoneEvent]:
        """Count the changes of side that were not yet steady when people were last seen.

        Args:
            tracks: of people who are gone.

        Returns:
            Who entered, left or crossed among them.
        """
        return [
            event
            for track in tracks
            for shape in self._shapes
            if (visit := self._visits(track).get(shape.name, _NEVER)).beyond is not None
            for event in self._change(shape, visit, track)
        ]

    def leave(self, tracks: Iterable[int]) -> list[ZoneEvent]:
        """End the visits of people who are gone, when they were last seen."""
        gone = {track: self._people.pop(track) for track in tracks if track in self._people}
        return [
            self._left(zone.name, track, person.visits[zone.name], person.seen)
            for track, person in gone.items()
            for zone in self.zones
            if person.visits[zone.name].side
        ]

    def counts(self) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        """How many people entered each zone, and crossed each line "in" and "out", so far."""
        lines = {
            line.name: {way: self.crossed[line.name, way] for way in ("in", "out")}
            for line in self.lines
        }
        return {zone.name: self.entered[zone.name] for zone in self.zones}, lines

    def totals(self) -> dict[str, dict[str, int]]:
        """By zone: people in it now ("occupancy"), and so far "entered" and "left"."""
        return {
            zone.name: {
                "occupancy": self.occupancy[zone.name],
                "entered": self.entered[zone.name],
                "left": self.left[zone.name],
            }
            for zone in self.zones
        }

    def dwell(self, track: int) -> dict[str, float]:
        """Seconds that a person has spent in each zone that they were in."""
        person = self._people.get(track)
        if person is None:
            return {}
        spent = {
            zone.name: visit.dwell + (person.seen - visit.since if visit.side else 0.0)
            for zone in self.zones
            if (visit := person.visits.get(zone.name))
        }
        return {name: seconds for name, seconds in spent.items() if seconds > 0}

    def inside(self, track: int) -> frozenset[str]:
        """The zones that a person is in."""
        visits = self._visits(track)
        return frozenset(zone.name for zone in self.zones if visits.get(zone.name, _NEVER).side)

    def crossings(self, track: int) -> dict[str, dict[str, int]]:
        """How often a person crossed each line that they crossed, "in" and "out"."""
        visits = self._visits(track)
        found = {line.name: visits.get(line.name, _NEVER).crossings for line in self.lines}
        return {name: {way: ways[way] for way in ("in", "out")} for name, ways in found.items()
                if ways}  # fmt: skip

    def placed(self, record: TrackRecord) -> TrackRecord:
        """A person's record with their zones and lines."""
        if not self._shapes:
            return record
        track = record.track
        return dataclasses.replace(record, zones=self.dwell(track), lines=self.crossings(track))

    def count_answers(self, record: TrackRecord) -> None:
        """Count a person's whole record in the zones that they were in."""
        for zone in record.zones:
            self._answered[zone].update(
                name for name, value in record.attributes.items() if value.answer == "yes"
            )

    def answered(self) -> dict[str, dict[str, int]]:
        """By zone and attribute: how many who were in it are answered yes, so far."""
        return {zone: dict(counts) for zone, counts in self._answered.items() if counts}

    def _visits(self, track: int) -> dict[str, _Visit]:
        person = self._people.get(track)
        return person.visits if person else {}

    def _in_zone(self, zone: Zone, visit: _Visit, now: _Sighting) -> list[ZoneEvent]:
        depth = _depth(now.corners, now.point)
        inside = depth > 0
        if visit.last is None:
            visit.passed = now.seconds
        elif (_depth(now.corners, visit.last[1]) > 0) != inside:
            visit.passed = _moment_of_passing(visit.last, now)
        if visit.side is None:
            visit.side = False
            return self._change(zone, visit, now.track) if inside else []
        if not _has_changed(visit, inside, abs(depth), now):
            return []
        return self._change(zone, visit, now.track)

    def _over_line(self, line: Line, visit: _Visit, now: _Sighting) -> list[ZoneEvent]:
        distance, along = _towards_line(now.corners, now.point)
        if visit.last is None:
            visit.passed = now.seconds
        else:
            seconds, point = visit.last
            before, along_before = _towards_line(now.corners, point)
            if before != 0 and before * distance <= 0:
                share = before / (before - distance)
                visit.passed = seconds + share * (now.seconds - seconds)
                where = along_before + share * (along - along_before)
                visit.on_line = -_OVER_THE_END <= where <= 1 + _OVER_THE_END
        if visit.side is None:
            visit.side = distance > 0 if abs(distance) >= now.margin else None
            return []
        if not _has_changed(visit, distance > 0, abs(distance), now):
            return []
        return self._change(line, visit, now.track)

    def _change(self, shape: Zone | Line, visit: _Visit, track: int) -> list[ZoneEvent]:
        """A person is on the other side since they passed the edge."""
        name, visit.beyond = shape.name, None
        if isinstance(shape, Line):
            visit.side = not visit.side
            return [self._crossed(name, track, visit)] if visit.on_line else []
        if visit.side:
            return [self._left(name, track, visit, visit.passed)]
        visit.side, visit.since = True, visit.passed
        self.occupancy[name] += 1
        self.entered[name] += 1
        return [
            ZoneEvent(
                kind="zone", name=name, event="entered", track=track, seconds=visit.passed,
                count=self.occupancy[name],
            )
        ]  # fmt: skip

    def _left(self, zone: str, track: int, visit: _Visit, seconds: float) -> ZoneEvent:
        dwell = max(0.0, seconds - visit.since)
        visit.side, visit.dwell = False, visit.dwell + dwell
        self.occupancy[zone] -= 1
        self.left[zone] += 1
        return ZoneEvent(
            kind="zone", name=zone, event="left", track=track, seconds=seconds,
            count=self.occupancy[zone], dwell_s=dwell,
        )  # fmt: skip

    def _crossed(self, line: str, track: int, visit: _Visit) -> ZoneEvent:
        direction: Literal["in", "out"] = "in" if visit.side else "out"
        self.crossed[line, direction] += 1
        visit.crossings[direction] += 1
        return ZoneEvent(
            kind="line", name=line, event=direction, track=track, seconds=visit.passed,
            count=self.crossed[line, direction],
        )  # fmt: skip


def _open_at_border(points: Sequence[Point]) -> list[Point]:
    """A zone's corners, sides along the picture's border moved outside it by the picture's size:
    whoever the border cuts off is no nearer to leaving the zone."""
    moved: list[Point] = []
    for (x, y), (to_x, to_y) in zip(points, [*points[1:], points[0]], strict=True):
        right = int(x == to_x == 1) - int(x == to_x == 0)
        down = int(y == to_y == 1) - int(y == to_y == 0)
        moved.append((x, y))
        if right or down:
            moved += [(x + right, y + down), (to_x + right, to_y + down)]
    return moved


def _has_changed(visit: _Visit, side: bool, distance: float, now: _Sighting) -> bool:
    """Whether a point has been on the other side, past the margin, for long enough."""
    if side == visit.side or distance < now.margin:
        visit.beyond = None
        return False
    if visit.beyond is None:
        visit.beyond = now.seconds
    return now.seconds - visit.beyond >= _STEADY_SECONDS


def _anchor_of(person: TrackedBox, anchor: str) -> Point:
    left, top, right, bottom = person.box
    return (left + right) / 2, top + ANCHORS[anchor] * (bottom - top)


def _depth(corners: npt.NDArray[np.float32], point: Point) -> float:
    """Pixels from a point to a polygon's nearest edge; above 0 inside, below 0 outside."""
    return float(cv2.pointPolygonTest(corners, point, measureDist=True))


def _towards_line(ends: npt.NDArray[np.float32], point: Point) -> tuple[float, float]:
    """A point against the endless line through two ends.

    Returns:
        Pixels from it, above 0 on its right, seen from start to end; and where along it, 0 at the
        start, 1 at the end.
    """
    (ax, ay), (bx, by) = ends.tolist()
    length = float(np.hypot(bx - ax, by - ay))
    dx, dy = point[0] - ax, point[1] - ay
    across = ((bx - ax) * dy - (by - ay) * dx) / length
    return across, ((bx - ax) * dx + (by - ay) * dy) / length**2


def _moment_of_passing(before: tuple[float, Point], now: _Sighting) -> float:
    """When a point that moved evenly passed a polygon's edge, seconds."""
    seconds, start = before
    inside = _depth(now.corners, start) > 0
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        point = (
            start[0] + middle * (now.point[0] - start[0]),
            start[1] + middle * (now.point[1] - start[1]),
        )
        if (_depth(now.corners, point) > 0) == inside:
            low = middle
        else:
            high = middle
    return seconds + high * (now.seconds - seconds)
