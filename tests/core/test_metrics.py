import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from edgeattr.core.errors import InputError
from edgeattr.core.metrics import (
    average_precision,
    calibration_error,
    evaluate,
    mean_accuracy_and_f1,
    reliability,
)


def test_worked_example() -> None:
    """Two images, two attributes, counted by hand."""
    labels = np.array([[1, 0], [1, 1]])
    probabilities = np.array([[0.9, 0.8], [0.2, 0.7]])  # answers: yes yes / no yes
    scores = evaluate(probabilities, labels)
    # attribute 0: TPR 1/2, no negative -> undefined; attribute 1: TPR 1, TNR 0 -> 50
    assert np.isnan(scores.per_attribute_mA[0])
    assert scores.mA == pytest.approx(50.0)
    # images: intersection/union 1/2 and 1/2; precision 1/2 and 1; recall 1 and 1/2
    assert scores.accuracy == pytest.approx(50.0)
    assert scores.precision == pytest.approx(75.0)
    assert scores.recall == pytest.approx(75.0)
    assert scores.f1 == pytest.approx(75.0)
    assert scores.positives.tolist() == [2, 1]


def test_thresholds_per_attribute_decide() -> None:
    scores = evaluate([[0.4, 0.4], [0.1, 0.1]], [[1, 1], [0, 0]], thresholds=[0.3, 0.5])
    assert scores.per_attribute_mA.tolist() == [100.0, 50.0]


def test_nothing_predicted_and_nothing_true_is_zero_not_nan() -> None:
    scores = evaluate([[0.1, 0.1]], [[0, 0]])
    assert (scores.accuracy, scores.precision, scores.recall, scores.f1) == (0, 0, 0, 0)


def test_average_precision_without_positives_is_undefined() -> None:
    assert np.isnan(average_precision([0.3, 0.4], [0, 0]))


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3)), "at least one image"),
        (np.zeros((2, 3)), np.zeros((2, 4)), r"\(2, 3\) and labels \(2, 4\)"),
        (np.full((1, 2), np.nan), np.zeros((1, 2)), "NaN"),
        (np.zeros((2, 2)), np.full((2, 2), -1), "no label is known"),
        (np.zeros((2, 2)), np.full((2, 2), 2), "labels must be 1"),
        (np.zeros((2, 2)), np.full((2, 2), np.nan), "labels must be 1"),
    ],
)
def test_bad_input(probabilities: object, labels: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(probabilities, labels)  # type: ignore[arg-type]


def _drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels, a third of them unknown, one image and one attribute wholly so."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (150, 7)).astype(np.int8)
    probabilities = np.round(np.clip(labels * 0.3 + rng.random((150, 7)) * 0.7, 0, 1), 2)
    labels[rng.random(labels.shape) < 0.33] = -1
    labels[4], labels[:, 6] = -1, -1
    return probabilities, labels


@pytest.mark.parametrize("seed", range(5))
def test_unknown_labels_per_attribute_agree_with_scikit_learn(seed: int) -> None:
    probabilities, labels = _drawn(seed)
    scores = evaluate(probabilities, labels)
    for index in range(6):
        known = labels[:, index] >= 0
        truth, p = labels[known, index], probabilities[known, index]
        assert scores.per_attribute_mA[index] == pytest.approx(
            100 * balanced_accuracy_score(truth, p > 0.5)
        )
        assert scores.per_attribute_ap[index] == pytest.approx(
            100 * average_precision_score(truth, p)
        )
        assert scores.positives[index] == truth.sum()
    assert np.isnan(scores.per_attribute_mA[6])
    assert np.isnan(scores.per_attribute_ap[6])
    assert scores.mA == pytest.approx(scores.per_attribute_mA[:6].mean())
    assert scores.mAP == pytest.approx(scores.per_attribute_ap[:6].mean())


@pytest.mark.parametrize("seed", range(5))
def test_unknown_labels_per_image_agree_with_sets(seed: int) -> None:
    """The definition in words: sets of attributes, unknown ones taken out of both."""
    probabilities, labels = _drawn(seed)
    ratios = []
    for p, y in zip(probabilities, labels, strict=True):
        known = {c for c in range(7) if y[c] != -1}
        if not known:
            continue
        said, true = ({c for c in known if v[c] > 0.5} for v in (p, y))
        both, either = said & true, said | true
        ratios.append([len(both) / max(1, len(whole)) for whole in (either, said, true)])
    accuracy, precision, recall = np.mean(ratios, 0)
    scores = evaluate(probabilities, labels)
    assert len(ratios) <= 149
    assert scores.accuracy == pytest.approx(100 * accuracy)
    assert scores.precision == pytest.approx(100 * precision)
    assert scores.recall == pytest.approx(100 * recall)
    assert scores.f1 == pytest.approx(200 * precision * recall / (precision + recall))


def test_calibration_error_of_all_and_of_each_attribute() -> None:
    probabilities, labels = _drawn(2)
    each = [reliability(probabilities[:, c], labels[:, c]).error for c in range(7)]
    assert np.isnan(each[6])
    whole = reliability(probabilities, labels).error
    assert calibration_error(probabilities, labels) == (whole, pytest.approx(np.mean(each[:6])))


@pytest.mark.parametrize("seed", range(3))
def test_mean_accuracy_and_f1_are_those_of_evaluate(seed: int) -> None:
    probabilities, labels = _drawn(seed)
    scores = evaluate(probabilities, labels)
    assert mean_accuracy_and_f1(probabilities > 0.5, labels) == (scores.mA, scores.f1)


@pytest.mark.parametrize("bins", [1, 15, 40])
def test_calibration_error_agrees_with_scikit_learn(bins: int) -> None:
    probabilities, labels = _drawn(1)
    probabilities += 1e-4  # off the edges of bins, which the two put on different sides
    known = labels >= 0
    p, y = probabilities[known], labels[known]
    share, mean = calibration_curve(y, np.clip(p, 0, 1), n_bins=bins, strategy="uniform")
    edges = np.linspace(0, 1, bins + 1)
    counts = np.histogram(np.clip(p, 0, 1), edges)[0]
    expected = np.sum(counts[counts > 0] * np.abs(share - mean)) / len(p)
    found = reliability(np.clip(probabilities, 0, 1), labels, bins).error
    assert found == pytest.approx(100 * expected)
