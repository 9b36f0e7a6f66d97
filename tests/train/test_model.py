"""Whole models: what is averaged, what agrees with what, how large they are."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeattr.core.errors import UsageError
from edgeattr_train.backbones import Backbone
from edgeattr_train.model import (
    AttributeNet,
    ModelOptions,
    MultiTaskClassifier,
    NetOutput,
    build_model,
)
from edgeattr_train.onnx_from_torch import fold_batch_norms

_SIZE = (64, 32)
_OPTIONS: list[dict[str, Any]] = [
    {"attend": ()},
    {"attend": ("k1",)},
    {"attend": ("k2",), "primary": "multi_task"},
    {},
    {"neck": "batch_norm"},
    {"attend": ("k2", "k1")},
    {"head": "paper"},
    {"head": "paper", "attend": ("k2",)},
    {"head": "paper", "aggregation": "upsample"},
    {"head": "paper", "aggregation": "pool"},
    {"head": "paper", "aggregation": "stride", "neck": "batch_norm"},
    {"head": "srn", "attend": ("k1",)},
]


class _Small(Backbone):
    """Two convolutions, for tests of what stands on a backbone."""

    channels, strides = (6, 8), (8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(3, 6, 9, 8, 4), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        )
        self.second = nn.Sequential(
            nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=False)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        k1 = self.first(x)
        return k1, self.second(k1)


def _small(options: ModelOptions, seed: int = 0) -> AttributeNet:
    """Random weights and statistics, for inference."""
    torch.manual_seed(seed)
    net = AttributeNet(_Small(), 7, options, _SIZE).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            for value in (module.weight, module.running_var):
                nn.init.uniform_(value, 0.5, 1.5)
            for value in (module.bias, module.running_mean):
                nn.init.normal_(value, 0, 0.3)
    return net


def _crops(count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, *_SIZE, 3), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def _answer(net: AttributeNet, crops: Tensor | None = None) -> NetOutput:
    output: NetOutput = net(_crops() if crops is None else crops)
    return output


@pytest.mark.parametrize("options", _OPTIONS, ids=str)
def test_logits_are_the_mean_of_all_scores(options: dict[str, Any]) -> None:
    chosen = ModelOptions(attention_channels=5, **options)
    output = _answer(_small(chosen))
    joined = chosen.aggregation != "score"
    assert len(output.attended) == (1 if joined else len(chosen.attend))
    assert len(output.masks) == len(chosen.attend)
    scores = np.stack(
        [score.numpy().astype(np.float64) for score in (output.primary, *output.attended)]
    )
    assert output.logits.numpy() == pytest.approx(scores.mean(0), rel=1e-5, abs=1e-6)
    for name, mask in zip(chosen.attend, output.masks, strict=True):
        assert mask.shape == (3, 7, *{"k1": (8, 4), "k2": (4, 2)}[name])
        assert mask.sum((2, 3)).numpy() == pytest.approx(1, abs=1e-5)


def test_pixels_are_normalised_in_blue_green_red() -> None:
    net = _small(ModelOptions(attend=()))
    seen: list[Tensor] = []
    hook = net.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    _answer(net)
    hook.remove()
    rgb = (_crops().numpy()[..., ::-1] / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    expected = rgb[..., ::-1].transpose(0, 3, 1, 2)
    assert seen[0].numpy() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("options", _OPTIONS, ids=str)
def test_folded_batch_norms_answer_alike(options: dict[str, Any]) -> None:
    net = _small(ModelOptions(attention_channels=5, **options))
    found, expected = _answer(fold_batch_norms(net)), _answer(net)
    assert torch.allclose(found.logits, expected.logits, atol=1e-5)


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "mobilenet_v3_large", "densenet121"])
def test_folding_and_memory_format_leave_a_real_backbone_alike(backbone: str) -> None:
    torch.manual_seed(0)
    net = build_model(7, ModelOptions(backbone=backbone, attention_channels=16), _SIZE)
    net.train()(_crops(4))  # statistics other than 0 and 1
    net.eval()
    expected = _answer(net).logits
    scale = float(expected.abs().max())
    folded = _answer(fold_batch_norms(net)).logits
    assert (folded - expected).abs().max() < 1e-4 * max(1, scale)
    net.to(memory_format=torch.channels_last)
    last = _answer(net).logits
    assert (last - expected).abs().max() < 1e-4 * max(1, scale)


def test_half_precision_scores_are_float32() -> None:
    net = _small(ModelOptions())
    with torch.autocast("cpu", torch.bfloat16):
        output = _answer(net)
    exact = _answer(net)
    for score in (output.logits, output.primary, *output.attended, *output.masks):
        assert score.dtype == torch.float32
    assert torch.allclose(output.logits, exact.logits, atol=0.1)


def test_multi_task_classifier_is_a_network_of_its_own_per_attribute() -> None:
    torch.manual_seed(2)
    module = MultiTaskClassifier(6, 4, 3).double()
    x = np.random.default_rng(0).normal(0, 1, (5, 6))
    found = module(torch.from_numpy(x)).detach().numpy()
    hidden, score = module.hidden, module.score
    for c in range(3):
        rows = slice(4 * c, 4 * c + 4)
        units = np.maximum(
            x @ hidden.weight[rows].detach().numpy().T + hidden.bias[rows].detach().numpy(), 0
        )
        expected = units @ score.weight[c, :, 0].detach().numpy() + score.bias[c].item()
        assert found[:, c] == pytest.approx(expected, rel=1e-9)


def test_neck_normalises_what_the_heads_get() -> None:
    """Features a thousand times smaller train the heads alike."""
    net = _small(ModelOptions(neck="batch_norm", dropout=0.0)).train()
    with torch.no_grad():
        expected = net(_crops(8)).logits
        for layer in (net.backbone.first, net.backbone.second):
            layer[1].weight.mul_(30 if layer is net.backbone.first else 1)
            layer[1].bias.mul_(30 if layer is net.backbone.first else 1)
        found = net(_crops(8)).logits
    assert torch.allclose(found, expected, atol=2e-3)


def test_head_parameters_are_everything_but_the_backbone() -> None:
    net = _small(ModelOptions())
    heads = {id(parameter) for parameter in net.head_parameters()}
    backbone = {id(parameter) for parameter in net.backbone.parameters()}
    assert not heads & backbone
    assert heads | backbone == {id(parameter) for parameter in net.parameters()}


def _meta(**options: Any) -> AttributeNet:
    """ResNet-101 at the paper's size, shapes only."""
    with torch.device("meta"):
        return build_model(35, ModelOptions(**{"backbone": "resnet101", **options}), (224, 224))


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"attend": ()}, 42_571_875),
        ({"head": "paper", "attention_channels": 256}, 48_290_613),
        ({"head": "edge", "attention_channels": 256}, 43_724_597),
        ({"head": "edge"}, 43_223_093),
        ({"head": "srn", "attend": ("k1",)}, 46_270_668),
        ({"backbone": "mobilenet_v2"}, 2_584_117),
    ],
    ids=str,
)
def test_parameters(options: dict[str, Any], parameters: int) -> None:
    assert sum(p.numel() for p in _meta(**options).parameters()) == parameters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attend": ("k3",)}, "model.attend="),
        ({"attend": ("k1", "k1")}, "model.attend="),
        ({"aggregation": "pool"}, 'it wants model.head="paper"'),
        ({"aggregation": "pool", "head": "paper", "attend": ("k1",)}, "joins the features"),
        ({"backbone": "vgg"}, "no backbone 'vgg'"),
    ],
)
def test_what_cannot_be_built(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_model(7, dataclasses.replace(ModelOptions(), **changes), _SIZE)


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "densenet121", "osnet_0287"])
@pytest.mark.parametrize("aggregation", ["score", "upsample", "pool", "stride"])
def test_an_odd_size_can_be_trained(backbone: str, aggregation: str) -> None:
    """Shapes only: rounding differs between backbones."""
    with torch.device("meta"):
        options = ModelOptions(backbone=backbone, head="paper", aggregation=aggregation)
        net = build_model(7, options, (250, 130))
        output = net(torch.zeros(2, 250, 130, 3, dtype=torch.uint8))
    assert output.logits.shape == (2, 7)


def test_strips_visibility_and_embedding() -> None:
    options = ModelOptions(
        attention_channels=8, primary="strips", strip_units=16, visibility=True, embedding=12
    )
    net = build_model(5, options, (64, 32)).eval()
    crops = torch.randint(0, 256, (3, 64, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        found = net(crops)
    assert net.output_names() == [
        "logits", "visibility", "embedding", "attention_0", "attention_1",
    ]  # fmt: skip
    logits, visibility, embedding, *_ = found.exported()
    assert logits.shape == (3, 5)
    assert visibility.shape == (3, 4)
    assert ((visibility > 0) & (visibility < 1)).all()
    assert torch.allclose(embedding.norm(dim=1), torch.ones(3))
    assert torch.allclose(found.logits, (found.primary + sum(found.attended)) / 3, atol=1e-6)
