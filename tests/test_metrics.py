import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from edgeattr.errors import InputError
from edgeattr.metrics import average_precision, evaluate


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


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (200, 6))
    probabilities = np.round(np.clip(labels * 0.3 + rng.random((200, 6)) * 0.7, 0, 1), 2)
    scores = evaluate(probabilities, labels)
    for index in range(6):
        truth, p = labels[:, index], probabilities[:, index]
        assert scores.per_attribute_mA[index] == pytest.approx(
            100 * balanced_accuracy_score(truth, p > 0.5)
        )
        assert scores.per_attribute_ap[index] == pytest.approx(
            100 * average_precision_score(truth, p)
        )


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
    ],
)
def test_bad_input(probabilities: object, labels: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(probabilities, labels)  # type: ignore[arg-type]
