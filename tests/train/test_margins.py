import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.posterior import NEVER
from edgeattr_train.margins import fit_margins
from edgeattr_train.platt import sigmoid

_LIMITS = np.array([-0.8, 0.0, -1.5, 0.4])


def _sample(persons: int, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Calibrated log-odds [persons, 4], and labels drawn by them."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal((-1.5, 0.0, -3.0, 1.0), (3.0, 2.0, 2.5, 3.0), (persons, 4))
    return log_odds, (rng.random(log_odds.shape) < sigmoid(log_odds)).astype(np.int8)


def _errors(
    log_odds: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int8],
    margins: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Error among yeses and among noes, [4] each; share of answers given."""
    excess = log_odds - _LIMITS
    yes = (excess > 0) & (excess >= margins[0])
    no = (excess <= 0) & (-excess >= margins[1])
    wrong_yes = (yes & (labels == 0)).sum(0) / np.maximum(1, yes.sum(0))
    wrong_no = (no & (labels == 1)).sum(0) / np.maximum(1, no.sum(0))
    return wrong_yes, wrong_no, float((yes | no).mean())


def _fitting(
    persons: int, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    log_odds, labels = _sample(persons, seed)
    return log_odds, _LIMITS, labels


@pytest.mark.parametrize("bound", [0.02, 0.05, 0.1])
def test_the_bound_is_held_on_new_persons_for_each_attribute_and_side(bound: float) -> None:
    margins = fit_margins(*_fitting(10_000), bound)
    wrong_yes, wrong_no, coverage = _errors(*_sample(200_000, seed=1), margins)
    wrong = np.concatenate([wrong_yes, wrong_no])
    assert wrong.mean() < 1.1 * bound
    assert wrong.max() < 1.4 * bound  # by chance: each is held in expectation
    assert wrong.max() > 0.6 * bound  # and not by answering nothing
    assert coverage > 0.35


def test_on_average_over_fits_the_bound_is_held_with_few_persons_too() -> None:
    judged = _sample(100_000, seed=99)
    means = []
    for seed in range(40):
        wrong_yes, wrong_no, _ = _errors(*judged, fit_margins(*_fitting(150, seed), 0.05))
        means.append(np.mean([wrong_yes, wrong_no]))
    assert np.mean(means) < 0.05


def test_a_looser_bound_answers_more() -> None:
    shares = [
        _errors(*_sample(2000), fit_margins(*_fitting(2000), bound))[2]
        for bound in (0.01, 0.02, 0.05, 0.1, 0.3)
    ]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_the_rule_to_the_last_answer() -> None:
    """40 yeses, the surest first, wrong at three places: the rule counted by hand."""
    log_odds = np.linspace(4.0, 0.1, 40)[:, None]
    labels = np.ones((40, 1), np.int8)
    labels[[20, 30, 33]] = 0
    yes, no = fit_margins(log_odds, np.zeros(1), labels, 0.05)
    # k answers with e errors pass where e + 0.95 <= 0.05 k: k = 19 or 20 with none, 39 with one
    assert yes[0] == pytest.approx((log_odds[19, 0] + log_odds[20, 0]) / 2)
    assert no[0] == NEVER  # there is no such answer to prove anything with


def test_hopeless_answers_are_never_given() -> None:
    log_odds = np.abs(np.random.default_rng(0).normal(3, 1, (400, 1)))
    yes, _ = fit_margins(log_odds, np.zeros(1), np.zeros((400, 1), np.int8), 0.05)
    assert yes[0] == NEVER


def test_attributes_that_can_prove_nothing_alone_are_proven_together() -> None:
    rng = np.random.default_rng(0)
    log_odds = np.full((500, 8), -4.0)  # eight rare attributes, ten sure yeses each
    for c in range(8):
        log_odds[rng.choice(500, 10, replace=False), c] = 5.0 + 0.1 * c
    labels = (log_odds > 0).astype(np.int8)
    yes, no = fit_margins(log_odds, np.full(8, -1.0), labels, 0.05)
    assert yes == pytest.approx(0)
    assert no == pytest.approx(0)
    alone, _ = fit_margins(log_odds[:, :1], np.full(1, -1.0), labels[:, :1], 0.05)
    assert alone[0] == NEVER


@pytest.mark.parametrize(("wrong", "margin"), [(1, 0.0), (3, 8.0)])
def test_one_wrong_label_at_the_top_does_not_silence_an_attribute(
    wrong: int, margin: float
) -> None:
    """Of 38 yeses the 21st is wrong: by themselves 20 pass; rare attributes are sure of all."""
    log_odds = np.full((500, 9), -4.0)
    log_odds[:38, 0] = np.linspace(10.0, 6.2, 38)
    for c in range(1, 9):
        log_odds[40 * c : 40 * c + 10, c] = 6.0
    labels = (log_odds > 0).astype(np.int8)
    labels[[20, 30, 33][:wrong], 0] = 0
    yes, _ = fit_margins(log_odds, np.zeros(9), labels, 0.05)
    assert yes[1:] == pytest.approx(0)
    assert yes[0] == pytest.approx(margin, abs=0.1)


def test_unknown_labels_count_nowhere() -> None:
    log_odds, limits, labels = _fitting(600)
    hidden = labels.copy()
    hidden[::3] = -1
    expected = fit_margins(log_odds[hidden[:, 0] >= 0], limits, labels[hidden[:, 0] >= 0], 0.05)
    for found, wanted in zip(fit_margins(log_odds, limits, hidden, 0.05), expected, strict=True):
        assert found == pytest.approx(wanted)


def test_ties_are_given_or_kept_together() -> None:
    log_odds = np.full((100, 1), 2.0)
    labels = np.ones((100, 1), np.int8)
    labels[:30] = 0
    yes, _ = fit_margins(log_odds, np.zeros(1), labels, 0.05)
    assert yes[0] == NEVER
