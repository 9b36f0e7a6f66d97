import numpy as np
import pytest

from edgeattr_train.history import PredictionHistory

_IDS = np.array([30, 10, 20])


def _fill(history: PredictionHistory, epochs: list[np.ndarray], order: list[int]) -> None:
    for p in epochs:
        history.record(_IDS[order], p[order].astype(np.float32), np.ones((3, 2), np.uint8)[order])


def test_equation_5_over_the_last_epochs_whatever_the_order() -> None:
    rng = np.random.default_rng(0)
    epochs = [rng.random((3, 2)) for _ in range(7)]
    history, shuffled = (PredictionHistory(_IDS, 2, 5) for _ in range(2))
    for number, p in enumerate(epochs):
        _fill(history, [p], [0, 1, 2])
        _fill(shuffled, [p], list(np.random.default_rng(number).permutation(3)))
    kept = np.stack(epochs[-5:]).astype(np.float32)
    variance = kept.var(0, ddof=1).mean(1)
    expected = np.sqrt(variance + variance**2 / (5 - 1))
    assert history.deviation(_IDS) == pytest.approx(expected, rel=1e-5)
    assert np.array_equal(history.deviation(_IDS), shuffled.deviation(_IDS))
    assert history.deviation(np.array([20])) == pytest.approx(expected[2:], rel=1e-5)


def test_probability_of_the_true_label_is_kept() -> None:
    history = PredictionHistory(_IDS, 1, 5)
    for p in (0.2, 0.8):  # for a negative label: 0.8, then 0.2
        history.record(_IDS[:1], np.array([[p]], np.float32), np.array([[0]], np.uint8))
    variance = np.var([0.8, 0.2], ddof=1)
    expected = np.sqrt(variance + variance**2)
    assert history.deviation(_IDS[:1]) == pytest.approx([expected], rel=1e-5)


def test_no_spread_before_two_epochs() -> None:
    history = PredictionHistory(_IDS, 2, 5)
    assert not history.deviation(_IDS).any()
    _fill(history, [np.full((3, 2), 0.3)], [0, 1, 2])
    assert not history.deviation(_IDS).any()


def test_state_round_trip() -> None:
    history, other = PredictionHistory(_IDS, 2, 3), PredictionHistory(_IDS, 2, 3)
    _fill(history, [np.random.default_rng(i).random((3, 2)) for i in range(4)], [2, 0, 1])
    other.load_state_dict(history.state_dict())
    assert np.array_equal(history.deviation(_IDS), other.deviation(_IDS))
