"""Each equation against an independent NumPy version in float64, and by gradcheck."""

import numpy as np
import pytest
import torch

from edgeattr.errors import UsageError
from edgeattr_train.losses import (
    LossOptions,
    attention_loss,
    balanced_bce,
    binary_cross_entropy,
    total_loss,
    weighted_focal,
)
from edgeattr_train.model import NetOutput

_RNG = np.random.default_rng(0)
_Z = _RNG.normal(0, 3, (9, 5))
_Y = _RNG.integers(0, 2, (9, 5)).astype(np.float64)
_A = _RNG.uniform(0.05, 0.9, 5)
_P = 1 / (1 + np.exp(-_Z))
_BCE = -(_Y * np.log(_P) + (1 - _Y) * np.log(1 - _P))


def _t(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values)


def test_equation_3() -> None:
    assert binary_cross_entropy(_t(_Z), _t(_Y)).numpy() == pytest.approx(_BCE, rel=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_equation_4(gamma: float) -> None:
    truth = np.where(_Y > 0, _P, 1 - _P)
    expected = np.exp(-_A) * (1 - truth) ** gamma * _BCE
    found = weighted_focal(_t(_Z), _t(_Y), _t(_A), gamma)
    assert found.numpy() == pytest.approx(expected, rel=1e-5)


def test_balanced_weights() -> None:
    expected = np.where(_Y > 0, np.exp(1 - _A), np.exp(_A)) * _BCE
    assert balanced_bce(_t(_Z), _t(_Y), _t(_A)).numpy() == pytest.approx(expected)


def test_equation_6() -> None:
    deviation = _RNG.uniform(0, 0.5, 9)
    expected = np.mean((1 + deviation) * _BCE.sum(1))
    assert float(attention_loss(_t(_BCE), _t(deviation))) == pytest.approx(expected)


def test_equation_7_adds_the_three_losses() -> None:
    deviation = _RNG.uniform(0, 0.5, 9)
    z1, z2 = _Z * 0.5, _Z - 1
    output = NetOutput(_t(_Z), _t(_Z), (_t(z1), _t(z2)), (_t(_Z), _t(_Z)))

    def bce(z: np.ndarray) -> np.ndarray:
        return np.logaddexp(0, z) - _Y * z

    truth = np.where(_Y > 0, _P, 1 - _P)
    focal = (np.exp(-_A) * (1 - truth) ** 0.5 * _BCE).sum(1).mean()
    attended = sum(((1 + deviation) * bce(z).sum(1)).mean() for z in (z1, z2))
    found = total_loss(output, _t(_Y), _t(_A), _t(deviation), LossOptions())
    assert float(found) == pytest.approx(focal + attended, rel=1e-5)


def test_gradients() -> None:
    z = _t(_Z).requires_grad_()
    y, a = _t(_Y), _t(_A)
    assert torch.autograd.gradcheck(lambda z: weighted_focal(z, y, a, 0.5), (z,))
    assert torch.autograd.gradcheck(lambda z: balanced_bce(z, y, a), (z,))
    assert torch.autograd.gradcheck(lambda z: binary_cross_entropy(z, y), (z,))


def test_focal_gradient_is_finite_where_the_answer_is_certain() -> None:
    z = torch.tensor([[200.0, -200.0]], requires_grad=True)
    weighted_focal(z, torch.tensor([[1.0, 0.0]]), torch.tensor([0.5, 0.5]), 0.5).sum().backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


def test_unknown_loss_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="expected one of none, bce, focal, balanced"):
        LossOptions(primary="hinge")
