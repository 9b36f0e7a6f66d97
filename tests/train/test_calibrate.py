import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.errors import InputError
from edgeattr.core.metrics import calibration_error, evaluate, mean_accuracy_and_f1
from edgeattr_train.calibrate import DecisionFit, fit_decision
from edgeattr_train.platt import platt_scaling, sigmoid
from edgeattr_train.thresholds import F1_WEIGHT, Objective, fit_thresholds

_SCALE, _OFFSET = np.array([0.5, 0.7, 0.9, 0.6]), np.array([0.8, -0.5, 0.0, -1.0])


def _sample(count: int, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Logits [count, 4], and labels drawn with the probabilities of _SCALE and _OFFSET."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 3.0, (count, 4))
    labels = rng.random((count, 4)) < sigmoid(logits * _SCALE + _OFFSET)
    return logits, labels.astype(np.int8)


def _as_arrays(fit: DecisionFit) -> tuple[npt.NDArray[np.float64], ...]:
    return np.array(fit.scale), np.array(fit.offset), np.array(fit.thresholds)


def test_known_scale_and_offset_are_recovered() -> None:
    scale, offset, _ = _as_arrays(fit_decision(*_sample(20_000), folds=2))
    assert scale == pytest.approx(_SCALE, rel=0.05)
    assert offset == pytest.approx(_OFFSET, abs=0.08)


def test_calibration_error_falls_on_images_not_seen() -> None:
    fit = fit_decision(*_sample(3000))
    assert fit.before["ece"] > 5
    for figures in (fit.after, fit.held_out):
        assert figures["ece"] < 1.5
        assert figures["ece_per_attribute"] < fit.before["ece_per_attribute"] / 2
    logits, labels = _sample(3000, seed=1)
    scale, offset, thresholds = _as_arrays(fit)
    p = sigmoid(logits * scale + offset)
    assert calibration_error(p, labels)[0] < 2
    raw, fitted = evaluate(sigmoid(logits), labels), evaluate(p, labels, thresholds)
    assert fitted.mA + F1_WEIGHT * fitted.f1 > raw.mA + F1_WEIGHT * raw.f1


@pytest.mark.parametrize("seed", range(4))
def test_the_objective_is_evaluates_ma_and_twice_its_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random((50, 5))
    labels = (rng.random((50, 5)) < rng.uniform(0, 0.6, 5)).astype(np.int8)
    labels[:, 4] = seed % 2  # one class only
    thresholds = np.full(5, 0.5)
    objective = Objective(p > thresholds, labels)
    for attribute in (3, 0, 4, 3, 1):
        candidates = rng.random(7)
        found = objective.at(attribute, (p[:, attribute, None] > candidates).astype(float))
        for candidate, value in zip(candidates, found, strict=True):
            thresholds[attribute] = candidate
            scores = evaluate(p, labels, thresholds)
            assert value == pytest.approx(scores.mA + F1_WEIGHT * scores.f1)
        objective.set(attribute, p[:, attribute] > thresholds[attribute])


def test_fitted_thresholds_are_no_worse_and_only_the_movable_move() -> None:
    logits, labels = _sample(2000)
    start, movable = np.zeros(4), np.array([True, False, True, True])
    found = fit_thresholds(logits, labels, start, movable)
    assert found[1] == 0
    assert abs(found[0]) > 0.3
    raw, moved = (
        np.dot(mean_accuracy_and_f1(logits > t, labels), (1, F1_WEIGHT)) for t in (start, found)
    )
    assert moved > raw


def test_unknown_labels_count_nowhere() -> None:
    logits, labels = _sample(800)
    holes = np.random.default_rng(5).random(labels.shape) < 0.3
    holes[:20] = True
    labels[holes] = -1
    other = np.where(holes, 50.0, logits)
    assert fit_decision(logits, labels, folds=3) == fit_decision(other, labels, folds=3)
    assert fit_decision(logits, labels, folds=3).images == 800 - int(holes.all(1).sum())
    assert calibration_error(sigmoid(logits), labels) == calibration_error(sigmoid(other), labels)


def test_attributes_with_few_labels_keep_the_shared_fit_and_the_raw_decision() -> None:
    logits, labels = _sample(1000)
    labels[:, 0], labels[:, 1], labels[:, 2] = 0, 1, -1
    logits[:, 0] -= 4
    labels[:9, 0] = 1
    fit = fit_decision(logits, labels, folds=3)
    scale, offset, thresholds = _as_arrays(fit)
    assert fit.shared == (0, 1, 2)
    assert (scale[:3] == scale[0]).all()
    assert (offset[:3] == offset[0]).all()
    assert thresholds[:3] == pytest.approx(sigmoid(offset[:3]))
    assert scale[3] == pytest.approx(_SCALE[3], rel=0.3)


@pytest.mark.parametrize("value", [0, 1])
def test_a_single_class_everywhere(value: int) -> None:
    logits = np.random.default_rng(0).normal(0, 1, (40, 3))
    fit = fit_decision(logits, np.full((40, 3), value), folds=4)
    assert fit.shared == (0, 1, 2)
    assert np.isnan(fit.after["mA"])
    assert fit.to_json()["after"]["mA"] is None
    assert min(fit.scale) > 0


def test_scale_stays_above_zero_when_the_model_has_it_backwards_or_perfect() -> None:
    logits, labels = _sample(400)
    truth = np.where(labels > 0, 1.0, -1.0)
    for wrong in (-truth * 5, truth * 5, truth * 500, logits * 0):
        fit = fit_decision(wrong, labels, folds=2)
        assert min(fit.scale) > 0
        assert np.isfinite([*fit.scale, *fit.offset]).all()
        assert all(0 <= threshold <= 1 for threshold in fit.thresholds)


def test_the_prior_holds_a_column_without_labels_at_its_centre() -> None:
    logits = np.ones((5, 1))
    scale, offset = platt_scaling(logits, np.full((5, 1), -1, np.int8), (0.7, -0.4), (0.2, 0.5))
    assert (scale[0], offset[0]) == pytest.approx((0.7, -0.4))


def test_noise_asks_for_the_raw_decision_and_signal_for_the_fitted_one() -> None:
    """Symmetric, balanced, already optimal at 0: moving the thresholds can only lose."""
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 6)) < 0.5).astype(np.int8)
    logits = 4.0 * (2 * labels - 1) + rng.normal(0, 0.1, labels.shape)
    assert fit_decision(logits, labels).shrinkage == 0
    assert fit_decision(logits + 6, labels).shrinkage > 0.5


def test_images_of_one_person_share_a_fold() -> None:
    logits, labels = _sample(300)
    twice = np.repeat(logits, 2, 0), np.repeat(labels, 2, 0)
    persons = np.repeat(np.arange(300), 2)
    assert fit_decision(*twice, groups=persons).held_out != fit_decision(*twice).held_out
    names = [f"person {person}" for person in persons + 1000]
    assert fit_decision(*twice, groups=names).images == 600


def test_the_same_input_gives_the_same_fit() -> None:
    logits, labels = _sample(400)
    first, second = (fit_decision(logits.astype(np.float32), labels, seed=3) for _ in range(2))
    assert first == second
    assert first.held_out != fit_decision(logits.astype(np.float32), labels, seed=4).held_out


def test_logits_that_are_no_numbers() -> None:
    logits, labels = _sample(30)
    logits[3, 1] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        fit_decision(logits, labels)
