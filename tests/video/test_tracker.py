"""Who is who: on drawn boxes with all kinds of clocks, and on the real videos."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeattr.video.detectors import Detections, open_detector
from edgeattr.video.sources.file import VideoFileSource
from edgeattr.video.tracker import PersonTracker, TrackedBox

_Box = tuple[float, float, float, float]


def _seen(*boxes: _Box, score: float = 0.9) -> Detections:
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(found, np.full(len(found), score, np.float32))


def _walking(seconds: float, speed: float = 30.0) -> _Box:
    """Where somebody is who walks to the right, in pixels a second."""
    return (10 + speed * seconds, 20, 50 + speed * seconds, 120)


def _after(tracker: PersonTracker, times: list[float]) -> list[TrackedBox]:
    """What the tracker gives last when it sees somebody walk at these times."""
    found: list[TrackedBox] = []
    for seconds in times:
        found = tracker.update(_seen(_walking(seconds)), seconds)
    return found


def test_two_people_keep_their_numbers_through_a_gap() -> None:
    tracker = PersonTracker()
    numbers = []
    for step in range(20):
        a = (10.0 + 3 * step, 20.0, 40.0 + 3 * step, 110.0)
        b = (250.0 - 3 * step, 90.0, 280.0 - 3 * step, 180.0)
        hidden = 8 <= step <= 11
        found = tracker.update(_seen(b) if hidden else _seen(a, b), step / 10)
        numbers.append({person.track: person.box[1] for person in found})
    assert set(numbers[7]) == {1, 2}
    assert numbers[-1] == pytest.approx(numbers[7])  # each still at the height it walks at


def test_empty_frames() -> None:
    tracker = PersonTracker()
    assert tracker.update(_seen(), 0.0) == []
    assert tracker.predict(0.1) == []
    assert PersonTracker().predict(0.0) == []


def test_times_tell_how_far_somebody_went() -> None:
    """After frames were dropped, 75 pixels on: no overlap, unless the clock is believed."""
    times = [step / 10 for step in range(10)]
    tracker = PersonTracker()
    assert [person.track for person in _after(tracker, times)] == [1]
    assert [p.track for p in tracker.update(_seen(_walking(4.4)), 4.4)] != [1]  # lost: 3.5 s
    tracker = PersonTracker()
    _after(tracker, times)
    assert [person.track for person in tracker.update(_seen(_walking(2.3)), 2.3)] == [1]
    stood = PersonTracker()
    _after(stood, times)
    assert [person.track for person in stood.update(_seen(_walking(2.3)), 1.0)] != [1]


def test_prediction_goes_on_as_people_went_and_ends_at_the_frame() -> None:
    tracker = PersonTracker(size=(100, 110))
    _after(tracker, [step / 10 for step in range(12)])  # now from 43 to 83
    (soon,) = tracker.predict(1.4)
    assert soon.box == pytest.approx((52, 20, 92, 110), abs=1.5)
    (later,) = tracker.predict(2.4)
    assert later.box == pytest.approx((82, 20, 100, 110), abs=4)
    assert tracker.predict(3.09) == []  # outside
    tracker.size = None
    (outside,) = tracker.predict(3.09)
    assert outside.box[2] > 120
    assert (outside.track, outside.score) == (1, pytest.approx(0.9))
    assert tracker.predict(4.2) == []  # longer ago than somebody may be hidden


def test_prediction_changes_nothing() -> None:
    told = []
    for ask in (False, True):
        tracker = PersonTracker()
        found = []
        for step in range(0, 30, 3):
            found.append(tracker.update(_seen(_walking(step / 10)), step / 10))
            for between in (1, 2) if ask else ():
                assert tracker.predict((step + between) / 10) == tracker.predict(
                    (step + between) / 10
                )
        told.append((found, tracker.predict(2.9)))
    assert told[0] == told[1]


def test_a_hidden_person_is_not_predicted() -> None:
    tracker = PersonTracker()
    _after(tracker, [0, 0.1, 0.2, 0.3])
    tracker.update(_seen(), 0.4)
    assert tracker.predict(0.5) == []


@pytest.mark.parametrize("odd", [0.5, 0.45, math.nan, math.inf, -1.0])
def test_frames_that_are_not_later_are_left_out(odd: float) -> None:
    tracker = PersonTracker()
    before = _after(tracker, [0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert tracker.update(_seen((200, 20, 240, 120)), odd) == before
    assert [person.track for person in tracker.update(_seen(_walking(0.6)), 0.6)] == [1]


def test_a_clock_that_was_set_back_starts_anew() -> None:
    tracker = PersonTracker()
    assert [p.track for p in _after(tracker, [100, 100.1, 100.2])] == [1]
    assert _after(tracker, [0]) == []
    assert [person.track for person in _after(tracker, [0.2])] == [2]


def _count(rate: float, seconds: float = 12.0) -> int:
    """People among two who cross, each walking a box's width a second, at so many frames/s."""
    tracker, numbers = PersonTracker((640, 200)), set()
    for step in range(int(seconds * rate)):
        now = step / rate
        a, b = 20 + 40 * now, 560 - 40 * now
        found = tracker.update(_seen((a, 20, a + 40, 120), (b, 90, b + 40, 190)), now)
        numbers |= {person.track for person in found}
    return len(numbers)


@pytest.mark.parametrize("rate", [60, 25, 10, 5, 2, 1])
def test_confirmation_and_buffers_go_by_the_clock(rate: float) -> None:
    assert _count(rate) == 2


def test_rates_that_are_too_low_to_follow_anybody() -> None:
    assert [rate for rate in (10, 5, 2, 1, 0.5, 0.1) if not PersonTracker.can_follow(rate)] == [
        2,
        1,
        0.5,
        0.1,
    ]


def test_a_box_inside_a_better_one_is_no_second_person() -> None:
    tracker = PersonTracker()
    boxes = np.array([[10, 20, 50, 120], [12, 22, 48, 70]], np.float32)
    for step in range(6):
        found = tracker.update(Detections(boxes, np.array([0.9, 0.6], np.float32)), step / 10)
    assert [person.box[3] for person in found] == [120]


def test_a_person_hidden_for_longer_than_the_library_waits_goes_on() -> None:
    tracker = PersonTracker((640, 200))
    times = [step / 10 for step in range(60) if not 20 <= step < 45]
    assert [person.track for person in _after(tracker, times)] == [1]


def test_after_a_cut_everybody_is_new() -> None:
    tracker = PersonTracker()
    _after(tracker, [0, 0.1, 0.2, 0.3])
    tracker.cut()
    found = _after(tracker, [0.4, 0.5, 0.6, 0.7])
    assert [person.track for person in found] == [2]


def _follow(
    detections: list[tuple[float, Detections]],
    tracker: PersonTracker,
    detected: Callable[[int], bool],
) -> dict[int, tuple[float, float]]:
    """Each person's first and last second."""
    known: dict[int, tuple[float, float]] = {}
    for number, (seconds, found) in enumerate(detections):
        new = detected(number)
        for person in tracker.update(found, seconds) if new else tracker.predict(seconds):
            known[person.track] = (known.get(person.track, (seconds, 0))[0], seconds)
    return known


def test_real_people_keep_their_numbers_at_every_third_frame(shared: Path) -> None:
    """Two people one after the other; then detected half as often; then every other second lost."""
    detector = open_detector(shared / "models" / "detectors" / "yolox_nano.onnx")
    with VideoFileSource(str(shared / "videos" / "one-by-one-person-detection.mp4")) as source:
        size = source.size
        found = [
            (frame.seconds, detector.detect(frame.image))
            for frame in source.frames()
            if 120 <= frame.index < 320 and frame.index % 3 == 0
        ]
    often = _follow(found, PersonTracker(size), lambda number: True)
    seldom = _follow(found, PersonTracker(size), lambda number: number % 2 == 0)
    torn = [(seconds, each) for seconds, each in found if int(seconds) % 2]
    gaps = _follow(torn, PersonTracker(size), lambda number: True)
    assert list(often) == list(seldom) == list(gaps) == [1, 2]
    for number, (first, last) in often.items():
        assert last - first > 5
        assert seldom[number] == pytest.approx((first, last), abs=1.3)


def test_a_box_around_two_people_is_no_third() -> None:
    behind, before, both = (40, 20, 80, 120), (44, 90, 84, 200), (41, 20, 84, 198)
    two, numbers = PersonTracker(), set()
    for step in range(20):
        found = _seen(behind, before, both) if 5 <= step <= 12 else _seen(behind, before)
        numbers |= {person.track for person in two.update(found, step / 25)}
    assert numbers == {1, 2}
    nested = PersonTracker()  # nobody else makes up the rest of the larger box
    for step in range(25):
        told = nested.update(_seen(behind, *[both] * (step > 4)), step / 25)
    assert len(told) == 2


def test_a_box_around_two_hides_nobody_inside_it() -> None:
    behind, before, both = (40, 20, 80, 120), (44, 90, 84, 200), (41, 20, 84, 198)
    better = Detections(np.array([both, before], np.float32), np.array([0.9, 0.6], np.float32))
    tracker = PersonTracker()
    for step in range(15):
        told = tracker.update(better if step > 10 else _seen(behind, before), step / 25)
    assert [(person.track, person.box[1]) for person in told] == [(2, 90)]


def test_a_person_further_down_is_somebody_else() -> None:
    tracker = PersonTracker((640, 480))
    for step in range(20):
        (there,) = tracker.update(_seen((600, 100, 640, 300)), step / 25) or [None]
    for step in range(20, 30):
        (later,) = tracker.update(_seen((600, 230, 640, 430)), step / 25) or [None]
    assert there is not None
    assert later is not None
    assert (there.track, later.track) == (1, 2)


@pytest.mark.parametrize(("apart", "counts"), [(0.24, 0.24), (9.0, 0.6)])
def test_who_appears_upon_somebody_counts_once_apart_or_after_a_while(
    apart: float, counts: float
) -> None:
    tracker, there = PersonTracker(), (10, 20, 50, 120)
    for step in range(40):
        seconds = step / 25 - 0.4
        other = (34, 20, 74, 120) if seconds >= apart else (22, 20, 62, 120)
        found = tracker.update(_seen(there, *[other] * (seconds >= 0)), step / 25)
        assert step < 5 or len(found) == 1 + (seconds >= counts - 1e-6)


def test_who_is_half_hidden_is_nobody_else() -> None:
    """Behind a sign the detector takes sign and legs for a taller person in other colours."""
    tracker, numbers = PersonTracker(), set[int]()
    for step in range(30):
        left, street = 450 - 7 * step, np.full((480, 640, 3), 128, np.uint8)
        street[216:296, left : left + 30] = (0, 0, 200)
        box = (left, 216, left + 30, 296)
        if 12 <= step < 17:
            box = (left, 184, left + 35, 300)
            street[184:290, left : left + 35] = (0, 200, 0)
        numbers |= {it.track for it in tracker.update(_seen(box), step / 10, street)}
    assert numbers == {1}
