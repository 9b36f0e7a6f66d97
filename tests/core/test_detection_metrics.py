"""Average precision, recall and precision of boxes: by hand, and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from edgeattr.core.detection_metrics import FrameBoxes, evaluate_detections, overlaps


def _frame(found, people, ignore=()) -> FrameBoxes:
    rows = np.array(found, np.float32).reshape(-1, 5)
    return FrameBoxes(
        found=rows[:, :4],
        scores=rows[:, 4],
        people=np.array(people, np.float32).reshape(-1, 4),
        ignore=np.array(ignore, np.float32).reshape(-1, 4),
    )


_ONE, _TWO = [0, 0, 10, 20], [100, 0, 110, 20]


def test_by_hand() -> None:
    frames = [
        _frame([[*_ONE, 0.9], [50, 50, 60, 70, 0.8], [100, 0, 110, 18, 0.7]], [_ONE, _TWO]),
        _frame([[*_ONE, 0.3]], [_ONE]),
        _frame([[1, 1, 11, 21, 0.6], [*_ONE, 0.2]], []),
    ]
    found = evaluate_detections(frames, 0.5)
    # by score: right, wrong, right, wrong | right, wrong; three people
    assert found.recall == pytest.approx(200 / 3)
    assert found.precision == 50
    assert (found.people, found.found) == (3, 4)
    assert found.ap50 == pytest.approx(100 / 3 * (1 + 2 / 3 + 3 / 5))


def test_a_person_is_found_once_and_a_poor_overlap_is_wrong() -> None:
    twice = evaluate_detections([_frame([[*_ONE, 0.9], [0, 0, 10, 19, 0.8]], [_ONE])], 0.5)
    assert (twice.recall, twice.precision) == (100, 50)
    poor = evaluate_detections([_frame([[0, 0, 10, 9, 0.9]], [_ONE])], 0.5)
    assert (poor.recall, poor.precision, poor.ap50) == (0, 0, 0)


def test_what_lies_in_a_region_to_ignore_counts_nowhere() -> None:
    frame = _frame([[*_TWO, 0.9], [*_ONE, 0.8]], [_ONE], [[95, 0, 120, 25]])
    found = evaluate_detections([frame], 0.5)
    assert (found.recall, found.precision, found.found, found.ap50) == (100, 100, 1, 100)


def test_against_scikit_learn_where_every_match_is_certain() -> None:
    from sklearn.metrics import precision_recall_curve

    rng = np.random.default_rng(0)
    people = [[30 * i, 0, 30 * i + 10, 20] for i in range(50)]
    away = [[30 * i, 500, 30 * i + 10, 520] for i in range(50)]
    scores = rng.permutation(100) / 100
    rows = [[*box, score] for box, score in zip(people + away, scores, strict=True)]
    found = evaluate_detections([_frame(rows, people)], 0.5)
    truth = np.r_[np.ones(50), np.zeros(50)]
    precision, recall, _ = precision_recall_curve(truth, scores)
    falling = np.maximum.accumulate(precision)  # recall falls along the arrays
    assert found.ap50 == pytest.approx(-100 * np.sum(np.diff(recall) * falling[:-1]))
    assert found.recall == pytest.approx(100 * (scores[:50] >= 0.5).mean())


def test_overlaps() -> None:
    a = np.array([[0, 0, 10, 10]], np.float32)
    b = np.array([[5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 10]], np.float32)
    np.testing.assert_allclose(overlaps(a, b)[0], [1 / 3, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(overlaps(a, b, of_first=True)[0], [0.5, 0, 1], rtol=1e-6)
