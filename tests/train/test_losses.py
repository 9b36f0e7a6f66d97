"""Each equation against a NumPy version in float64 written here, and by gradcheck."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from edgeattr.core.errors import UsageError
from edgeattr_train.losses import (
    LossOptions,
    balanced_bce,
    binary_cross_entropy,
    class_rectification,
    class_weighted,
    total_loss,
    weighted_focal,
)
from edgeattr_train.model import NetOutput

Array = npt.NDArray[np.float64]

_SEEDS = [0, 1, 2, 3]
_N, _C = 11, 6


class _Case:
    """Random scores, labels (a fifth of them unknown), priors and deviations."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.primary, self.first, self.second = rng.normal(0, 2.5, (3, _N, _C))
        self.labels = rng.integers(0, 2, (_N, _C)).astype(np.float64)
        self.known = rng.random((_N, _C)) > 0.2
        self.prior = rng.uniform(0.02, 0.95, _C)
        self.deviation = rng.uniform(0, 0.5, _N)
        self.marked = np.where(self.known, self.labels, -1.0)

    @property
    def average(self) -> Array:
        return (self.primary + self.first + self.second) / 3

    def output(self) -> NetOutput:
        attended = (_t(self.first), _t(self.second))
        return NetOutput(_t(self.average), _t(self.primary), attended, ())

    def total(self, options: LossOptions) -> float:
        arguments = (_t(self.marked), _t(self.prior), _t(self.deviation))
        return float(total_loss(self.output(), *arguments, options))


def _t(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _bce(z: Array, y: Array) -> Array:
    """Eq. 3, per element."""
    p = _sigmoid(z)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def _focal(z: Array, y: Array, a: Array, gamma: float) -> Array:
    """Eq. 4, per element."""
    p = _sigmoid(z)
    loss = np.zeros_like(z)
    for n, c in np.ndindex(z.shape):
        truth = y[n, c] * p[n, c] + (1 - y[n, c]) * (1 - p[n, c])
        loss[n, c] = np.exp(-a[c]) * (1 - truth) ** gamma * _bce(z, y)[n, c]
    return loss


def _balanced(z: Array, y: Array, a: Array) -> Array:
    return (y * np.exp(1 - a) + (1 - y) * np.exp(a)) * _bce(z, y)


def _sum_mean(per_element: Array, known: npt.NDArray[np.bool_], deviation: Array | float) -> float:
    """Eq. 6: (1 + std_s) times the sum over known attributes, mean over images."""
    return float(np.mean((1 + deviation) * np.where(known, per_element, 0.0).sum(1)))


def _rectification(z: Array, y: Array) -> float:
    """Triplets of the minority class, one by one. Unknown labels are negative."""
    losses = []
    for c in range(z.shape[1]):
        p = _sigmoid(z[:, c])
        yes, no = p[y[:, c] == 1], p[y[:, c] == 0]
        if not yes.size or not no.size:
            continue
        if yes.size <= no.size:
            minority, rest = yes, no
        else:
            minority, rest = 1 - no, 1 - yes
        hard_positives, hard_negatives = np.sort(minority)[:25], np.sort(rest)[::-1][:25]
        triplets = [
            max(0.0, 0.5 + abs(anchor - positive) - (anchor - negative))
            for anchor in minority
            for positive in hard_positives
            for negative in hard_negatives
        ]
        losses.append(np.mean(triplets))
    return float(np.mean(losses)) if losses else 0.0


@pytest.mark.parametrize("seed", _SEEDS)
def test_losses_per_element(seed: int) -> None:
    """Equations 3 and 4, class weights and balanced weights."""
    case = _Case(seed)
    z, y, a = case.primary, case.labels, case.prior
    scores, labels, prior = _t(z), _t(y), _t(a)
    for found, expected in (
        (binary_cross_entropy(scores, labels), _bce(z, y)),
        (class_weighted(scores, labels, prior), np.exp(-a) * _bce(z, y)),
        (balanced_bce(scores, labels, prior), _balanced(z, y, a)),
        *((weighted_focal(scores, labels, prior, g), _focal(z, y, a, g)) for g in (0.0, 0.5, 2.0)),
    ):
        assert found.numpy() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", _SEEDS)
def test_equation_7_with_unknown_labels(seed: int) -> None:
    case = _Case(seed)
    focal = _focal(case.primary, case.labels, case.prior, 0.5)
    expected = _sum_mean(focal, case.known, 0.0)
    for scores in (case.first, case.second):
        expected += _sum_mean(_bce(scores, case.labels), case.known, case.deviation)
    assert case.total(LossOptions()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", _SEEDS)
def test_each_score_gets_the_loss_that_is_named(seed: int) -> None:
    """Primary class-weighted, attention balanced, the average focal; labels between 0 and 1."""
    case = _Case(seed)
    soft = case.labels * 0.8 + 0.1
    case.marked = np.where(case.known, soft, -1.0)
    weighted = np.exp(-case.prior) * _bce(case.primary, soft)
    expected = _sum_mean(weighted, case.known, 0.0)
    for scores in (case.first, case.second):
        elements = _balanced_soft(scores, soft, case.prior)
        expected += _sum_mean(elements, case.known, case.deviation)
    expected += _sum_mean(_focal(case.average, soft, case.prior, 1.5), case.known, 0.0)
    options = LossOptions(
        primary="class_weighted", attention="balanced", average="focal", gamma=1.5
    )
    assert case.total(options) == pytest.approx(expected, rel=1e-9)


def _balanced_soft(z: Array, y: Array, a: Array) -> Array:
    """A label between 0 and 1 lies as far between the exponents of the two weights."""
    return np.exp(y * (1 - a) + (1 - y) * a) * _bce(z, y)


@pytest.mark.parametrize("options", [{"primary": "none"}, {"attention": "none"}])
def test_a_score_without_a_loss_adds_nothing(options: dict[str, str]) -> None:
    case = _Case(0)
    both = case.total(LossOptions(primary="bce"))
    other = {"primary": "bce", **options}
    parts = _sum_mean(_bce(case.primary, case.labels), case.known, 0.0)
    expected = parts if "attention" in options else both - parts
    assert case.total(LossOptions(**other)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["bce", "class_weighted", "focal", "balanced"])
def test_an_unknown_label_has_no_gradient(name: str) -> None:
    case = _Case(1)
    z = _t(case.primary).requires_grad_()
    output = NetOutput(z, z, (z, z), ())
    options = LossOptions(primary=name, attention=name, average=name, rectification=0.3)
    total_loss(output, _t(case.marked), _t(case.prior), _t(case.deviation), options).backward()
    assert not z.grad.numpy()[~case.known].any()
    assert (z.grad.numpy()[case.known] != 0).all()


@pytest.mark.parametrize("seed", _SEEDS)
def test_class_rectification(seed: int) -> None:
    case = _Case(seed)
    expected = _rectification(case.primary, case.marked)
    assert expected > 0.1
    found = class_rectification(_t(case.primary), _t(case.marked))
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_class_rectification_mines_at_most_25_of_a_side() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(0, 2, (90, 2))
    y = (rng.random((90, 2)) < np.array([0.4, 0.7])).astype(np.float64)
    assert min(y.sum(0).min(), (1 - y).sum(0).min()) > 25
    assert float(class_rectification(_t(z), _t(y))) == pytest.approx(_rectification(z, y), rel=1e-9)


def test_class_rectification_without_two_classes_is_zero_and_differentiable() -> None:
    z = torch.randn(4, 2, requires_grad=True)
    labels = torch.tensor([[1.0, -1.0]] * 4)
    loss = class_rectification(z, labels)
    loss.backward()
    assert loss.item() == 0
    assert not z.grad.any()


@pytest.mark.parametrize("seed", _SEEDS)
def test_class_rectification_takes_a_share_of_the_total(seed: int) -> None:
    case = _Case(seed)
    plain = case.total(LossOptions())
    shares = [max(0.0, 1 - 2 * min(a, 1 - a)) for a in case.prior]
    alpha = 0.4 * float(np.mean(shares))
    rectified = _C * _rectification(case.primary, case.marked)
    expected = (1 - alpha) * plain + alpha * rectified
    assert case.total(LossOptions(rectification=0.4)) == pytest.approx(expected, rel=1e-9)


def test_focal_gradient_is_finite_where_the_answer_is_certain() -> None:
    z = torch.tensor([[200.0, -200.0]], requires_grad=True)
    weighted_focal(z, torch.tensor([[1.0, 0.0]]), torch.tensor([0.5, 0.5]), 0.5).sum().backward()
    assert torch.isfinite(z.grad).all()


def test_no_loss_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to learn from"):
        LossOptions(primary="none", attention="none")
