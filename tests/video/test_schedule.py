import math

import numpy as np
import pytest

from edgeattr.video.schedule import CropAssessment, CropBudget, Schedule, TrackHistory

_SCHEDULE = Schedule(min_quality=0.2, every=0.5, new_view=0.1, waited=3.0, better=1.5, stop_after=4)


class _Drawn(CropAssessment):
    """A assessment of a chosen quality and view."""

    def __init__(self, quality: float, angle: float = 0.0) -> None:
        super().__init__(crop=np.zeros((4, 4, 3), np.uint8), size=quality, whole=1.0, free=1.0)
        self.__dict__["sharpness"] = 1.0
        self.__dict__["view"] = np.array([math.cos(angle), math.sin(angle)], np.float32)


def _worth(
    assessment: CropAssessment, history: TrackHistory, seconds: float, *, settled: bool = False
) -> float:
    return _SCHEDULE.worth(assessment, history, seconds=seconds, settled=settled)


def _after(*looks: tuple[float, CropAssessment]) -> TrackHistory:
    history = TrackHistory()
    for seconds, assessment in looks:
        history.add(assessment, seconds)
    return history


def test_the_first_crop_comes_at_once_if_it_is_any_good_and_before_all_others() -> None:
    assert _worth(_Drawn(0.1), TrackHistory(), 0.0) == 0
    first = _worth(_Drawn(0.25), TrackHistory(), 0.0)
    later = _worth(_Drawn(1.0, angle=1.5), _after((0.0, _Drawn(0.3))), 9.0)
    assert first > later > 0
    assert _worth(_Drawn(0.9), TrackHistory(), 0.0) > first


def test_the_same_view_again_is_not_worth_it_until_some_time_has_passed() -> None:
    history = _after((1.0, _Drawn(0.9)))
    assert _worth(_Drawn(0.9, angle=0.1), history, 2.0) == 0
    assert _worth(_Drawn(0.9, angle=0.6), history, 2.0) > 0
    assert _worth(_Drawn(0.9, angle=0.6), history, 1.4) == 0  # too soon
    assert _worth(_Drawn(0.9, angle=0.1), history, 4.0) > 0


def test_views_seen_earlier_are_remembered() -> None:
    history = _after((1.0, _Drawn(0.9)), (2.0, _Drawn(0.9, angle=1.2)))
    assert _worth(_Drawn(0.9, angle=0.05), history, 3.0) == 0
    assert history.change(_Drawn(0.9, angle=0.05)) == pytest.approx(1 - math.cos(0.05), abs=1e-4)
    assert TrackHistory().change(_Drawn(0.9)) == 1.0


def test_a_poor_first_look_is_made_up_for_at_once_even_in_a_settled_track() -> None:
    history = _after((1.0, _Drawn(0.3)))
    assert _worth(_Drawn(0.9), history, 1.1, settled=True) > 0
    assert _worth(_Drawn(0.4), history, 1.1, settled=True) == 0


def test_a_settled_track_and_one_that_had_its_crops_are_left_alone() -> None:
    good = _after((1.0, _Drawn(0.9)))
    assert _worth(_Drawn(1.0, angle=1.5), good, 60.0, settled=True) == 0
    assert _worth(_Drawn(1.0, angle=1.5), good, 60.0, settled=False) > 0
    many = _after(*((float(k), _Drawn(0.6, angle=k)) for k in range(4)))
    assert _worth(_Drawn(0.8, angle=0.5), many, 60.0) == 0
    assert _worth(_Drawn(0.95, angle=0.5), many, 60.0) > 0


def test_worth_rises_with_quality_and_new_views_and_falls_with_what_is_known() -> None:
    history = _after((0.0, _Drawn(0.8)))
    by_quality = [_worth(_Drawn(q, angle=1.0), history, 5.0) for q in (0.3, 0.6, 0.9)]
    by_view = [_worth(_Drawn(0.8, angle=a), history, 5.0) for a in (0.6, 1.0, 1.5)]
    assert by_quality == sorted(by_quality)
    assert by_view == sorted(by_view)
    assert len({*by_quality, *by_view}) == 6
    known = _after(*((0.0, _Drawn(0.8)) for _ in range(3)))
    assert (
        0
        < _worth(_Drawn(0.8, angle=1.0), known, 5.0)
        < _worth(_Drawn(0.8, angle=1.0), history, 5.0)
    )


def test_what_cannot_be_worth_it_is_refused_without_touching_pixels() -> None:
    assessment = CropAssessment(crop=np.zeros((0, 0, 3), np.uint8), size=0.1, whole=1.0, free=1.0)
    assert _worth(assessment, TrackHistory(), 0.0) == 0
    settled = CropAssessment(crop=np.zeros((0, 0, 3), np.uint8), size=1.0, whole=1.0, free=1.0)
    assert _worth(settled, _after((0.0, _Drawn(0.9))), 9.0, settled=True) == 0
    assert not {"sharpness", "view", "quality"} & (
        assessment.__dict__.keys() | settled.__dict__.keys()
    )


def test_without_a_limit_all_that_is_worth_it_is_taken_the_best_first() -> None:
    assert CropBudget(None).take([0.2, 0.0, 0.9, 0.5], 0.0) == [2, 3, 0]


def test_a_budget_takes_the_best_and_fills_with_video_time() -> None:
    budget = CropBudget(2.0)
    worths = [0.1, 0.4, 0.3, 0.2]
    assert budget.take(worths, 0.0) == [1, 2]
    assert budget.take(worths, 0.0) == []
    assert budget.take(worths, 0.5) == [1]
    assert budget.take(worths, 0.4) == []  # a clock that was set back gives nothing
    assert budget.take([0.0, 0.0], 100.0) == []
    assert budget.take(worths, 100.0) == [1, 2]  # no more than a second's worth is saved up


def test_over_time_a_budget_is_kept_exactly() -> None:
    budget = CropBudget(3.0)
    taken = sum(len(budget.take([1.0] * 5, frame / 25)) for frame in range(10 * 25 + 1))
    assert taken == 3 + 30  # what was saved up, and three a second
    slow = CropBudget(0.5)
    times = [frame / 10 for frame in range(101) if slow.take([1.0], frame / 10)]
    assert times == pytest.approx([0, 2, 4, 6, 8, 10])
