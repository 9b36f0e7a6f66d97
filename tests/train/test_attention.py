"""Attention branches and SRN against NumPy versions in float64 written here."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from edgeattr_train.attention import (
    EdgeBranch,
    JointBranch,
    PaperBranch,
    SpatialAttention,
    SpatialRegularization,
    bring_to_one_size,
    spatial_softmax,
)

Array = npt.NDArray[np.float64]

_SEEDS = [0, 1, 2]
_N, _K, _C = 2, 6, 3  # images, channels, attributes


def _features(seed: int, height: int = 4, width: int = 5, channels: int = _K) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(0, 1, (_N, channels, height, width)))


def _ready(module: nn.Module, seed: int) -> nn.Module:
    """In float64, for inference, every weight and statistic random."""
    generator = torch.Generator().manual_seed(seed)
    module.double().eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2, generator=generator)
            elif value.is_floating_point():
                value.normal_(0, 0.5, generator=generator)
    return module


def _array(value: Tensor) -> Array:
    return value.detach().numpy()


def _softmax(z: Array) -> Array:
    """Eq. 2, mask by mask."""
    a = np.zeros_like(z)
    for n, c in np.ndindex(z.shape[:2]):
        raised = np.exp(z[n, c] - z[n, c].max())
        a[n, c] = raised / raised.sum()
    return a


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _conv(layer: nn.Conv2d, x: Array) -> Array:
    """Cross-correlation, position by position and group by group."""
    weight = _array(layer.weight)
    (rows, columns), (down, across) = layer.kernel_size, layer.stride
    pad_y, pad_x = layer.padding
    x = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    height = (x.shape[2] - rows) // down + 1
    width = (x.shape[3] - columns) // across + 1
    out = np.zeros((len(x), layer.out_channels, height, width))
    inside, outside = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for o in range(layer.out_channels):
        first = o // outside * inside
        for i, j in np.ndindex(height, width):
            patch = x[:, first : first + inside, i * down :, j * across :][..., :rows, :columns]
            out[:, o, i, j] = (patch * weight[o]).sum((1, 2, 3))
    bias = 0.0 if layer.bias is None else _array(layer.bias)[None, :, None, None]
    return out + bias


def _run(layers: nn.Sequential, x: Array) -> Array:
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            x = _conv(layer, x)
        elif isinstance(layer, nn.BatchNorm2d):
            mean, var, gamma, beta = (
                _array(value)[None, :, None, None]
                for value in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
            )
            x = (x - mean) / np.sqrt(var + layer.eps) * gamma + beta
        else:
            assert isinstance(layer, nn.ReLU)
            x = np.maximum(x, 0)
    return x


def _attention(module: SpatialAttention, x: Array) -> tuple[Array, Array]:
    return _softmax(_run(module.scores, x)), _sigmoid(_conv(module.confidence, x))


@pytest.mark.parametrize("seed", _SEEDS)
def test_equation_2(seed: int) -> None:
    z = _features(seed) * 20
    mask = spatial_softmax(z)
    assert _array(mask) == pytest.approx(_softmax(_array(z)), rel=1e-9)
    assert _array(mask.sum((2, 3))) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_masks_are_float32_under_half_precision(kind: torch.dtype) -> None:
    mask = spatial_softmax(torch.zeros(1, 2, 30, 30, dtype=kind))
    assert mask.dtype == torch.float32
    assert mask.sum((2, 3)).numpy() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("seed", _SEEDS)
def test_mask_and_confidence(seed: int) -> None:
    module = _ready(SpatialAttention(_K, 4, _C), seed)
    x = _features(seed)
    mask, confidence = module(x)
    expected = _attention(module, _array(x))
    assert _array(mask) == pytest.approx(expected[0], rel=1e-9)
    assert _array(confidence) == pytest.approx(expected[1], rel=1e-9)


@pytest.mark.parametrize("seed", _SEEDS)
def test_edge_branch_pools_under_the_mask_and_classifies_after(seed: int) -> None:
    module = _ready(EdgeBranch(_K, 4, _C), seed)
    x = _features(seed)
    logits, (mask,) = module(x)
    a, s = _attention(module.attention, _array(x))
    k, v = _array(x), _array(module.classifier.weight)[:, :, 0, 0]
    for n, c in np.ndindex(_N, _C):
        pooled = (a[n, c] * s[n, c] * k[n]).sum((1, 2))  # [channels]
        expected = v[c] @ pooled + _array(module.bias)[c]
        assert _array(logits)[n, c] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert _array(mask) == pytest.approx(a, rel=1e-9)


@pytest.mark.parametrize("seed", _SEEDS)
def test_paper_branch(seed: int) -> None:
    module = _ready(PaperBranch(_K, 4, _C, (3, 2)), seed)
    x = _features(seed, 3, 2)
    logits, (mask,) = module(x)
    a, s = _attention(module.attention, _array(x))
    expected = _run(module.classifier, a * s)[:, :, 0, 0]
    assert _array(logits) == pytest.approx(expected, rel=1e-9)
    assert _array(mask) == pytest.approx(a, rel=1e-9)
    widths = [layer.out_channels for layer in module.classifier if isinstance(layer, nn.Conv2d)]
    assert widths == [256, 512, _C]
    assert module.classifier[-1].kernel_size == (3, 2)


@pytest.mark.parametrize("way", ["upsample", "pool", "stride"])
@pytest.mark.parametrize("seed", _SEEDS)
def test_joint_branch(seed: int, way: str) -> None:
    module = _ready(JointBranch((_K, 5), 4, _C, ((4, 2), (2, 1)), way), seed)
    k1, k2 = _features(seed, 4, 2), _features(seed + 9, 2, 1, 5)
    logits, masks = module(k1, k2)
    found = (_attention(module.large, _array(k1)), _attention(module.small, _array(k2)))
    large, small = (a * s for a, s in found)
    if way == "upsample":
        small = small.repeat(2, axis=2).repeat(2, axis=3)
    elif way == "pool":
        large = large.reshape(_N, _C, 2, 2, 1, 2).max((3, 5))
    else:
        large = _conv(module.halve, large)
    expected = _run(module.classifier, np.concatenate((large, small), 1))[:, :, 0, 0]
    assert _array(logits) == pytest.approx(expected, rel=1e-9)
    for mask, (a, _) in zip(masks, found, strict=True):
        assert _array(mask) == pytest.approx(a, rel=1e-9)


def test_large_maps_of_an_odd_size_are_brought_to_the_small_one() -> None:
    large, small = torch.randn(1, 2, 15, 9), torch.randn(1, 2, 7, 4)
    pooled, same = bring_to_one_size(large, small, "pool")
    assert pooled.shape == small.shape
    assert pooled.max() == large.max()
    assert same is small
    assert bring_to_one_size(large, small, "upsample")[1].shape == large.shape


@pytest.mark.parametrize("seed", [0, 1])
def test_spatial_regularization(seed: int) -> None:
    """Zhu et al.: all weighted maps, two 1x1 convolutions, four large filters per channel."""
    module = _ready(SpatialRegularization(_K, _C, (3, 2)), seed)
    x = _features(seed, 3, 2)
    logits, (mask,) = module(x)
    a = _softmax(_run(module.scores, _array(x)))
    weighted = a * _sigmoid(_conv(module.confidence, _array(x)))
    filtered = _run(module.regularize, weighted)[:, :, 0, 0]
    assert filtered.shape == (_N, 2048)
    weight, bias = _array(module.classifier.weight), _array(module.classifier.bias)
    assert _array(logits) == pytest.approx(filtered @ weight.T + bias, rel=1e-9)
    assert _array(mask) == pytest.approx(a, rel=1e-9)
