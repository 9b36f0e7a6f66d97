import numpy as np
import pytest

from edgeattr.prediction import Decision
from edgeattr.schema import Attribute, AttributeSchema
from edgeattr.video.detect import Detections
from edgeattr.video.fuse import TrackPosterior
from edgeattr.video.schedule import Schedule, crop_of, crop_quality
from edgeattr.video.track import PersonTracker, TrackedBox

_IMAGE = np.zeros((200, 300, 3), np.uint8)


def _seen(*boxes: tuple[float, float, float, float], score: float = 0.9) -> Detections:
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(found, np.full(len(found), score, np.float32))


def test_two_people_keep_their_numbers_through_a_gap() -> None:
    tracker = PersonTracker(10)
    numbers = []
    for step in range(20):
        a = (10.0 + 3 * step, 20.0, 40.0 + 3 * step, 110.0)
        b = (250.0 - 3 * step, 90.0, 280.0 - 3 * step, 180.0)
        hidden = 8 <= step <= 11
        found = tracker.update(_seen(b) if hidden else _seen(a, b))
        numbers.append({person.track: person.box[1] for person in found})
    assert set(numbers[7]) == {1, 2}
    assert numbers[-1] == pytest.approx(numbers[7])  # each still at the height it walks at


def test_streams_count_their_people_from_one() -> None:
    for _ in range(2):
        tracker = PersonTracker(10)
        for _ in range(5):
            found = tracker.update(_seen((10, 20, 40, 110)))
        assert [person.track for person in found] == [1]


def test_empty_frames() -> None:
    assert PersonTracker(25).update(_seen()) == []


def test_schedule_classifies_early_then_now_and_then_then_only_better_crops() -> None:
    schedule = Schedule(warm_up=2, every=0.5, stop_after=4, min_quality=0.2, better=1.2)
    assert schedule.wants(0.5, classified=0, seconds_since=9, best_quality=0)
    assert not schedule.wants(0.1, classified=0, seconds_since=9, best_quality=0)
    assert not schedule.wants(0.5, classified=2, seconds_since=0.4, best_quality=0.5)
    assert schedule.wants(0.5, classified=2, seconds_since=0.5, best_quality=0.5)
    assert schedule.wants(0.7, classified=2, seconds_since=0.1, best_quality=0.5)
    assert not schedule.wants(0.5, classified=4, seconds_since=99, best_quality=0.5)
    assert schedule.wants(0.7, classified=4, seconds_since=0.1, best_quality=0.5)


def test_crop_has_a_margin_and_stays_inside() -> None:
    assert crop_of(_IMAGE, (100, 50, 150, 150)).shape == (108, 54, 3)
    assert crop_of(_IMAGE, (-20, -20, 400, 300)).shape == (200, 300, 3)
    assert crop_of(_IMAGE, (299.9, 199.9, 300, 200)).size > 0


def test_quality_falls_with_size_truncation_and_occlusion() -> None:
    whole = TrackedBox(1, (100, 20, 150, 180), 1.0)
    small = TrackedBox(2, (10, 20, 30, 60), 1.0)
    cut = TrackedBox(3, (0, 20, 50, 180), 1.0)
    front = TrackedBox(4, (125, 30, 175, 190), 1.0)
    assert crop_quality(whole, [whole], _IMAGE) == pytest.approx(1.0)
    assert crop_quality(small, [small], _IMAGE) == pytest.approx(0.25)
    assert crop_quality(cut, [cut], _IMAGE) == pytest.approx(0.3)
    assert crop_quality(whole, [whole, front], _IMAGE) == pytest.approx(1 - 0.5 * 150 / 160)
    assert crop_quality(front, [whole, front], _IMAGE) == pytest.approx(1.0)


def test_posterior_is_the_weighted_mean_of_log_odds() -> None:
    schema = AttributeSchema((Attribute(name="hat", group="a"), Attribute(name="bag", group="a")))
    decision = Decision(schema=schema, thresholds=[0.5] * 2, scale=[1] * 2, offset=[0] * 2)
    posterior = TrackPosterior(decision)
    assert posterior.answers() == {}
    posterior.add(np.array([4.0, 0.2], np.float32), 0.75)
    posterior.add(np.array([-4.0, 0.2], np.float32), 0.25)
    answers = posterior.answers()
    assert posterior.crops == 2
    assert answers["hat"].p == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert (answers["hat"].answer, answers["bag"].answer) == ("yes", "unknown")
