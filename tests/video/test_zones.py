"""Zones and lines: exact counts on made paths, at all rates; what is refused."""

import itertools
from collections import Counter

import numpy as np
import pytest

from edgeattr.core.errors import UsageError
from edgeattr.video.tracker import TrackedBox
from edgeattr.video.zone_monitor import ZoneEvent, ZoneMonitor
from edgeattr.video.zones import Line, Zone, parse_line, parse_zone

_SIZE = (1000, 800)
_TALL = 200.0  # pixels
_SPEED = 120.0  # pixels a second
_DOOR = Line(name="door", points=((0.5, 0.25), (0.5, 0.875)))  # from (500, 200) to (500, 700)
_HALL = Zone(name="hall", points=((0.5, 0.0), (0.9, 0.0), (0.9, 1.0), (0.5, 1.0)))


def _box(track: int, x: float, y: float) -> TrackedBox:
    """Whose feet are at x, y."""
    return TrackedBox(track, (x - 40, y - _TALL, x + 40, y), 0.9)


class _Path:
    """A person's feet over time: straight from point to point at one speed, with pauses."""

    def __init__(self, start: float, *points: tuple[float, float], pause: float = 0.0) -> None:
        self._times, self._points = [start], [points[0]]
        for before, after in itertools.pairwise(points):
            length = float(np.hypot(after[0] - before[0], after[1] - before[1]))
            self._times.append(self._times[-1] + max(length / _SPEED, 1e-6))
            self._points.append(after)
            if pause:
                self._times.append(self._times[-1] + pause)
                self._points.append(after)

    def at(self, seconds: float) -> tuple[float, float] | None:
        if not self._times[0] <= seconds <= self._times[-1]:
            return None
        x, y = (np.interp(seconds, self._times, axis) for axis in zip(*self._points, strict=True))
        return float(x), float(y)


def _play(monitor: ZoneMonitor, paths: list[_Path], rate: float, jitter: float) -> list[ZoneEvent]:
    draw = np.random.default_rng(0)
    events: list[ZoneEvent] = []
    last: dict[int, float] = {}
    for frame in range(int(30 * rate)):
        seconds = frame / rate
        seen = []
        for track, path in enumerate(paths):
            place = path.at(seconds)
            if place:
                x, y = np.array(place) + draw.normal(0, jitter, 2)
                seen.append(_box(track, float(x), float(y)))
        events += monitor.update(seconds, seen, _SIZE)
        last |= {it.track: seconds for it in seen}
        events += monitor.leave([it for it, when in last.items() if when < seconds - 2 / rate])
    return events


def _crowd() -> tuple[list[_Path], Counter[str]]:
    """20 people and how often the door is crossed each way."""
    paths: list[_Path] = []
    expected: Counter[str] = Counter()
    for number in range(6):  # straight through, both ways
        y = 260.0 + 70 * number
        paths.append(_Path(0.4 * number, (200, y), (800, y)))
        expected["out"] += 1
    for number in range(5):
        paths.append(_Path(0.7 * number, (850, 300 + 60.0 * number), (150, 420)))
        expected["in"] += 1
    for number in range(3):  # linger on the line, then go on
        paths.append(
            _Path(number, (300, 350), (500, 350), (501, 352), (499, 351), (760, 350), pause=1)
        )
        expected["out"] += 1
    for number in range(3):  # turn back on the line
        paths.append(_Path(number, (300, 500), (502, 500), (498, 505), (280, 500), pause=0.5))
    for number in range(2):  # around the end of the line, and back through it
        paths.append(_Path(number, (300, 150), (700, 150), (700, 450), (300, 450)))
        expected["in"] += 1
    paths.append(_Path(0, (100, 100), (100, 700)))  # far away
    return paths, expected


@pytest.mark.parametrize("rate", [5, 25, 60])
def test_crossings_are_counted_exactly_in_both_directions(rate: float) -> None:
    paths, expected = _crowd()
    assert len(paths) == 20
    monitor = ZoneMonitor(lines=[_DOOR])
    events = _play(monitor, paths, rate, jitter=1.5)
    found = Counter(event.event for event in events)
    assert found == expected
    assert monitor.crossed["door", "in"] == expected["in"]
    assert monitor.crossed["door", "out"] == expected["out"]


@pytest.mark.parametrize("rate", [5, 25, 60])
def test_dwell_is_right_to_a_fifth_of_a_second(rate: float) -> None:
    across = _Path(0.33, (100, 400), (980, 400))  # 500 to 900 at 120 pixels/s
    stays = _Path(0.1, (100, 500), (700, 500), (100, 500), pause=3.0)
    monitor = ZoneMonitor(zones=[_HALL])
    events = _play(monitor, [across, stays], rate, jitter=0.5)
    left = {event.track: event.dwell_s for event in events if event.event == "left"}
    assert left[0] == pytest.approx(400 / _SPEED, abs=0.2)
    assert left[1] == pytest.approx(400 / _SPEED + 3.0, abs=0.2)
    assert [event.event for event in events if event.track == 0] == ["entered", "left"]
    assert monitor.occupancy["hall"] == 0
    assert monitor.entered["hall"] == 2


def test_who_leaves_the_picture_inside_a_zone_leaves_the_zone() -> None:
    monitor = ZoneMonitor(zones=[_HALL])
    monitor.update(0.0, [_box(7, 700, 400)], _SIZE)
    monitor.update(2.0, [_box(7, 710, 400)], _SIZE)
    assert monitor.dwell(7) == {"hall": 2.0}
    assert monitor.leave([8]) == []
    (left,) = monitor.leave([7])
    assert (left.event, left.dwell_s, left.count) == ("left", 2.0, 0)
    assert left.to_json("cam") == {
        "type": "zone", "stream": "cam", "track": 7, "time_s": 2.0, "zone": "hall",
        "event": "left", "occupancy": 0, "dwell_s": 2.0,
    }  # fmt: skip
    assert monitor.leave([7]) == []
    assert monitor.counts() == ({"hall": 1}, {})


def test_whoever_the_border_cuts_off_is_in_a_zone_that_reaches_it() -> None:
    whole = Zone(name="whole", points=((0, 0), (1, 0), (1, 1), (0, 1)))
    left = Zone(name="left", points=((0, 0.2), (0.5, 0.2), (0.5, 1), (0, 1)))
    monitor = ZoneMonitor(zones=[whole, left])
    for frame in range(60):
        x = 100 + 10 * frame
        seen = TrackedBox(1, (x - 40.0, 300.0, x + 40.0, float(_SIZE[1])), 0.9)
        monitor.update(frame / 25, [seen], _SIZE)
    half = (_SIZE[0] / 2 - 100) / 250  # seconds until the middle of the picture
    assert monitor.dwell(1)["whole"] == pytest.approx(59 / 25)
    assert monitor.dwell(1)["left"] == pytest.approx(half, abs=0.05)


@pytest.mark.parametrize(("lasts", "counts"), [(0.1, []), (0.2, ["in", "out"])])
def test_a_box_that_widens_for_a_moment_changes_no_side(lasts: float, counts: list[str]) -> None:
    monitor = ZoneMonitor(zones=[_HALL], lines=[_DOOR])
    events = []
    for frame in range(60):
        beside = 0.5 <= frame / 60 <= 0.5 + lasts
        events += monitor.update(frame / 60, [_box(1, 485 if beside else 512, 400)], _SIZE)
    assert sorted(it.event for it in events if it.kind == "line") == counts
    assert monitor.entered["hall"] == 1 + len(counts) // 2


def test_who_is_last_seen_past_an_edge_has_passed_it() -> None:
    monitor = ZoneMonitor(zones=[_HALL], lines=[_DOOR])
    for seconds, x in ((0.0, 520), (0.1, 510), (0.2, 470)):
        assert [it.event for it in monitor.update(seconds, [_box(1, x, 400)], _SIZE)] == (
            ["entered"] if seconds == 0 else []
        )
    assert monitor.settle([2]) == []
    left, crossed = monitor.settle([1, 2])
    assert (left.event, left.seconds) == ("left", pytest.approx(0.125))
    assert (crossed.event, crossed.seconds) == ("in", pytest.approx(0.125))
    assert monitor.settle([1]) == monitor.leave([1]) == []


def test_the_anchor_says_which_point_counts() -> None:
    upper = Zone(name="upper", points=((0, 0), (1, 0), (1, 0.5), (0, 0.5)), anchor="head")
    lower = Zone(name="lower", points=((0, 0.5), (1, 0.5), (1, 1), (0, 1)))
    monitor = ZoneMonitor(zones=[upper, lower])
    events = monitor.update(0.0, [_box(1, 500, 500)], _SIZE)  # head at 300, feet at 500 of 800
    assert {event.name for event in events} == {"upper", "lower"}


def test_options_of_the_command_line() -> None:
    assert parse_zone("door=0,0,0.5,0,0.5,1") == Zone(
        name="door", points=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0))
    )
    assert parse_line(" gate =0.1, 0.2,0.3,0.4").name == "gate"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("door", "expected NAME=x,y"),
        ("=0,0,1,0,1,1", "expected NAME=x,y"),
        ("door=0,0,1,zero,1,1", "number 4 is 'zero'"),
        ("door=0,0,1", "3 numbers are not pairs"),
        ("door=0,0,1,1", "has 2 points; expected at least 3"),
        ("door=0,0,1,0,1,1,0,0", "corners 1 and 4 are the same"),
        ("a\nb=0,0,1,0,1,1", "expected a name"),
        ("door=0,0,1.2,0,1,1", r"point 2 \(1.2, 0\) lies outside the picture"),
        ("door=0,0,nan,0,1,1", r"point 2 \(nan, 0\) lies outside"),
        ("door=0,0,1,1,1,0,0,1", "edge after corner 1 crosses the one after corner 3"),
        ("door=0,0,0.5,0.5,1,1", "on one line"),
    ],
)
def test_a_zone_that_is_none_is_refused_at_its_place(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_zone(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a=0,0,0,0", "both points"),
        ("a=0,0", "has 1 point; a line has two"),
        ("a=0,0,1,1,1,0", "has 3 points"),
        ("a=0,0,0,2", "point 2"),
    ],
)
def test_a_line_that_is_none_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_line(text)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="'door'"):
        ZoneMonitor(zones=[parse_zone("door=0,0,1,0,1,1")], lines=[_DOOR])
