"""Optimizers, learning rates and the moving average against NumPy versions written here."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeattr.core.errors import UsageError
from edgeattr_train.backbones import Backbone
from edgeattr_train.model import AttributeNet, ModelOptions, build_model
from edgeattr_train.optimization import Optimization, ScheduleOptions, freeze, moving_average

_STEPS, _EPOCHS = 5, 8
_RATES = {"backbone_rate": 2e-3, "head_rate": 1e-2}


class _Small(Backbone):
    channels, strides = (4, 6), (8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4))
        self.second = nn.Conv2d(4, 6, 2, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        k1 = self.first(x)
        return k1, self.second(k1)


def _net(seed: int = 0) -> AttributeNet:
    torch.manual_seed(seed)
    return AttributeNet(_Small(), 3, ModelOptions(attention_channels=4), (32, 32))


def _options(**changes: Any) -> ScheduleOptions:
    return ScheduleOptions(**{"epochs": _EPOCHS, **_RATES, **changes})


def _fill_gradients(net: AttributeNet, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in net.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def _step(optimization: Optimization, net: AttributeNet, step: int) -> None:
    _fill_gradients(net, step)
    optimization.optimizer.step()
    optimization.after_step()


def _rates(**changes: Any) -> np.ndarray:
    """Rates of backbone and heads at each step, [steps, 2]."""
    net = _net()
    optimization = Optimization(net, _options(**changes), _STEPS)
    found = []
    for step in range(_STEPS * _EPOCHS):
        found.append([group["lr"] for group in optimization.optimizer.param_groups])
        assert optimization.rate == found[-1][0]
        _step(optimization, net, step)
    return np.array(found)


def test_constant_rate() -> None:
    assert np.array_equal(_rates(rate="constant"), [[2e-3, 1e-2]] * _STEPS * _EPOCHS)


def test_cosine_rate() -> None:
    """Up in a straight line, down to nothing in half a cosine."""
    shares = [(step + 1) / 8 for step in range(8)]
    shares += [0.5 * (1 + math.cos(math.pi * (step - 8) / 32)) for step in range(8, 40)]
    found = _rates(rate="cosine", warm_up=0.2)
    assert found == pytest.approx(np.outer(shares, [2e-3, 1e-2]), rel=1e-9)


def test_one_cycle_rate() -> None:
    """Smith and Topin 2018: from a 25th of the peak by cosines up, and down to next to nothing."""
    found = _rates(rate="one_cycle", warm_up=0.2)
    peak = np.array([2e-3, 1e-2])
    assert found[0] == pytest.approx(peak / 25, rel=1e-9)
    assert found.max(0) == pytest.approx(peak, rel=1e-9)
    assert found.argmax(0).tolist() == [7, 7]
    assert (found[-1] < 1e-4 * peak).all()
    for step in range(8):
        share = 0.5 * (1 - math.cos(math.pi * step / 7))
        assert found[step] == pytest.approx(peak / 25 + share * (peak - peak / 25), rel=1e-9)


def test_plateau_divides_by_ten_after_epochs_without_gain() -> None:
    net = _net()
    optimization = Optimization(net, _options(rate="plateau", plateau_epochs=2), _STEPS)
    found = []
    for quality in (100, 120, 119, 120, 118, 121, 120, 120, 120, 120, 120, 120):
        _step(optimization, net, 0)
        optimization.after_epoch(quality)
        found.append(optimization.rate)
    tens = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3]  # more than two epochs without gain: a tenth
    assert found == pytest.approx([2e-3 * 10.0**-ten for ten in tens], rel=1e-9)


@pytest.mark.parametrize("rate", ["constant", "cosine", "one_cycle", "plateau"])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_resumed_run_moves_alike(rate: str, kind: str) -> None:
    options = _options(rate=rate, optimizer=kind, plateau_epochs=0)
    whole, again = _net(), _net(1)
    one, two = (Optimization(net, options, _STEPS) for net in (whole, again))
    for step in range(12):
        _step(one, whole, step)
        if step % _STEPS == 0:
            one.after_epoch(-step)
        if step == 6:
            again.load_state_dict(whole.state_dict())
            two.load_state_dict(copy.deepcopy(one.state_dict()))
        if step > 6:
            _step(two, again, step)
            if step % _STEPS == 0:
                two.after_epoch(-step)
            assert one.rate == two.rate
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.998])
def test_moving_average(decay: float) -> None:
    """share = min(decay, (1 + t) / (10 + t)) of the old is kept in step t, of statistics too."""
    net = _net()
    average = moving_average(net, decay)
    names = ["primary.weight", "backbone.first.1.running_mean"]
    kept = {name: net.state_dict()[name].numpy().astype(np.float64) for name in names}
    for t in range(8):
        with torch.no_grad():
            for value in net.state_dict().values():
                value.add_(torch.randn(value.shape)) if value.is_floating_point() else value.add_(1)
        average.update_parameters(net)
        share = min(decay, (1 + t) / (10 + t)) if decay and t else 0.0  # the first copies
        for name in names:
            kept[name] = share * kept[name] + (1 - share) * net.state_dict()[name].numpy()
    for name in names:
        assert average.module.state_dict()[name].numpy() == pytest.approx(kept[name], abs=1e-5)
    counted = "backbone.first.1.num_batches_tracked"
    assert average.module.state_dict()[counted].item() == 8
    other = moving_average(_net(2), decay)
    other.load_state_dict(average.state_dict())
    for both in (average, other):
        both.update_parameters(net)
    for name, value in average.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_earlier_parts_of_the_backbone_learn_more_slowly() -> None:
    net = build_model(3, ModelOptions(backbone="osnet_0287", attention_channels=8), (64, 32))
    with pytest.raises(UsageError, match=r"names 'third', which the backbone has not.*stem"):
        freeze(net.backbone, ("third",))
    freeze(net.backbone, ("stem", "stem_norm", "input_norm", "stage1"))
    options = ScheduleOptions(backbone_rate=1e-3, layer_decay=0.5, head_rate=1e-2, rate="constant")
    optimization = Optimization(net, options, 10)
    rates = [group["lr"] for group in optimization.optimizer.param_groups]
    assert rates == [5e-4, 1e-3, 1e-2]  # stage2, stage3, heads
    assert optimization.rate == 1e-3
