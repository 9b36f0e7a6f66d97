from pathlib import Path

import numpy as np
import pytest
import torch

from edgeattr.errors import InputError, UsageError
from edgeattr_train.backbones import build_backbone, set_batch_norms_from_data
from edgeattr_train.model import AttentionBranch, AttributeNet, ModelOptions, build_model


@pytest.fixture(scope="module")
def net() -> AttributeNet:
    torch.manual_seed(0)
    return build_model(7, ModelOptions()).eval()


def test_shapes_and_averaged_score(net: AttributeNet) -> None:
    crops = torch.randint(0, 256, (3, 128, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        output = net(crops)
    assert output.logits.shape == (3, 7)
    assert [mask.shape for mask in output.masks] == [(3, 7, 8, 4), (3, 7, 4, 2)]
    for mask in output.masks:
        assert torch.allclose(mask.sum((2, 3)), torch.ones(3, 7), atol=1e-5)
    average = (output.primary + output.attended[0] + output.attended[1]) / 3
    assert torch.equal(output.logits, average)


def test_branch_pools_under_the_mask() -> None:
    """The 1x1-convolution form equals pooling first and classifying after."""
    torch.manual_seed(1)
    branch = AttentionBranch(6, 8, 3).eval()
    features = torch.randn(2, 6, 4, 5)
    with torch.no_grad():
        logits, mask = branch(features)
        weight = (mask * branch.confidence(features).sigmoid()).flatten(2)  # [N, C, hw]
        pooled = torch.einsum("nch,nfh->ncf", weight, features.flatten(2))
        expected = torch.einsum("ncf,cf->nc", pooled, branch.classifier.weight[:, :, 0, 0])
    assert torch.allclose(logits, expected + branch.bias.detach(), atol=1e-5)


def test_size_of_the_default_model() -> None:
    count = sum(p.numel() for p in build_model(35, ModelOptions()).parameters())
    assert 2.2e6 < count < 3e6


def test_folded_weights_and_their_batch_norms(tmp_path: Path) -> None:
    """After the start from data, the network computes what the folded one does."""
    rng = np.random.default_rng(0)
    plain = build_backbone("mobilenet_v2", "none")
    convolutions = [m for m in plain.modules() if isinstance(m, torch.nn.Conv2d)]
    arrays = {}
    for index, convolution in enumerate(convolutions):
        shape = convolution.weight.shape
        fan = shape[1] * shape[2] * shape[3]
        arrays[f"conv{index:02d}.weight"] = rng.normal(0, (2 / fan) ** 0.5, shape).astype("f4")
        arrays[f"conv{index:02d}.bias"] = rng.normal(0, 0.1, shape[0]).astype("f4")
    np.savez(tmp_path / "w.npz", **arrays)
    backbone = build_backbone("mobilenet_v2", str(tmp_path / "w.npz"))
    pixels = torch.randn(8, 3, 128, 64)
    set_batch_norms_from_data(backbone, pixels)
    norms = [m for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    found: list[float] = []

    def compare(norm: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        bias = norm.folded_bias.view(1, -1, 1, 1)
        found.append(float((output - inputs[0] - bias).abs().max() / inputs[0].abs().max()))

    hooks = [norm.register_forward_hook(compare) for norm in norms]
    with torch.no_grad():
        backbone.eval()(pixels)
    for hook in hooks:
        hook.remove()
    assert len(found) == 52
    assert max(found) < 1e-4
    first = convolutions[0].weight.shape
    bgr = next(m for m in backbone.modules() if isinstance(m, torch.nn.Conv2d)).weight
    assert torch.allclose(bgr.flip(1), torch.from_numpy(arrays["conv00.weight"])), first


def test_what_cannot_be_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no backbone 'vgg'"):
        build_backbone("vgg", "none")
    for name in ("none.npz", "none.pth"):
        with pytest.raises(InputError, match=name):
            build_backbone("mobilenet_v2", str(tmp_path / name))
    np.savez(tmp_path / "short.npz", **{"conv00.weight": np.zeros((32, 3, 3, 3))})
    with pytest.raises(InputError, match="not folded MobileNetV2 weights"):
        build_backbone("mobilenet_v2", str(tmp_path / "short.npz"))
