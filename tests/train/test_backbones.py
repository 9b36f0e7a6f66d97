"""Each backbone: what it says of itself, whose weights it takes, what it refuses."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from edgeattr.core.errors import InputError
from edgeattr_train.backbones import Backbone, build_backbone
from edgeattr_train.model import ModelOptions, build_model
from edgeattr_train.start import has_folded_norms, set_batch_norms_from_data

_ALL = [
    "resnet50", "resnet101", "resnet152", "densenet121", "densenet201", "mobilenet_v2",
    "mobilenet_v3_large", "osnet_0277", "osnet_0286", "osnet_0287",
]  # fmt: skip
_FILES = ["resnet50", "densenet121", "mobilenet_v2", "mobilenet_v3_large"]  # one of a family


@pytest.mark.parametrize(
    ("name", "expected", "keys"),
    [
        ("resnet50", 23_508_032, {"until_k1.6.5.bn3.weight", "until_k2.2.conv3.weight"}),
        ("resnet101", 42_500_160, {"until_k1.6.22.bn3.weight", "until_k2.2.conv3.weight"}),
        ("resnet152", 58_143_808, {"until_k1.6.35.bn3.weight", "until_k2.2.conv3.weight"}),
        ("densenet121", 6_953_856, {"until_k1.8.denselayer24.conv2.weight", "until_k2.2.weight"}),
        ("densenet201", 18_092_928, {"until_k1.8.denselayer48.conv2.weight", "until_k2.2.weight"}),
        ("mobilenet_v2", 2_223_872, {"until_k1.13.conv.3.weight", "until_k2.18.0.weight"}),
        ("mobilenet_v3_large", 2_971_952, {"until_k1.12.block.3.0.weight", "until_k2.16.0.weight"}),
    ],
)
def test_parameters_and_their_names(name: str, expected: int, keys: set[str]) -> None:
    """Checkpoints, bundles and ``schedule.frozen`` hold these names."""
    with torch.device("meta"):
        backbone = build_backbone(name, "none")
    assert sum(parameter.numel() for parameter in backbone.parameters()) == expected
    assert keys < {key for key, _ in backbone.named_parameters()}


@pytest.mark.parametrize("size", [(224, 224), (250, 130), (64, 32)], ids=str)
@pytest.mark.parametrize("name", _ALL)
def test_channels_and_strides(name: str, size: tuple[int, int]) -> None:
    with torch.device("meta"):  # shapes only
        backbone = build_backbone(name, "none").eval()
        maps = backbone(torch.zeros(2, 3, *size))
        assert backbone.train().map_sizes(size) == tuple(tuple(k.shape[2:]) for k in maps)
    assert all(module.training for module in backbone.modules()), "the mode was left alone"
    for k, channels, stride in zip(maps, backbone.channels, backbone.strides, strict=True):
        assert k.shape[:2] == (2, channels)
        for found, pixels in zip(k.shape[2:], size, strict=True):
            exact = pixels / stride
            assert found == exact if exact.is_integer() else abs(found - exact) < 1


def _trained(architecture: str) -> nn.Module:
    """Torchvision's network with random weights and the statistics that fit them."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(architecture, weights=None)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.normal_(norm.bias, 0, 0.2)
        norm.momentum = None  # the statistics of one forward pass
    with torch.no_grad():
        network.train()(torch.randn(4, 3, 96, 64))
    return network.eval()


@torch.no_grad()
def _last_map(network: Any, rgb: Tensor) -> Tensor:
    """What torchvision's network pools."""
    if hasattr(network, "features"):
        features = network.features(rgb)
        return features.relu() if isinstance(network, torchvision.models.DenseNet) else features
    x = network.maxpool(network.relu(network.bn1(network.conv1(rgb))))
    return network.layer4(network.layer3(network.layer2(network.layer1(x))))


def _assert_same_features(backbone: Backbone, network: nn.Module) -> None:
    """Ours on BGR crops against torchvision's on RGB pixels of its own normalisation."""
    crops = np.random.default_rng(0).integers(0, 256, (2, 96, 64, 3), dtype=np.uint8)
    scaled = torch.from_numpy(crops[..., ::-1].copy()).permute(0, 3, 1, 2) / 255
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = _last_map(network, normalise(scaled))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (backbone.mean, backbone.std))
    with torch.no_grad():
        pixels = (torch.from_numpy(crops).permute(0, 3, 1, 2) - mean) / std
        found = backbone.eval()(pixels)[1]
        swapped = backbone(pixels.flip(1))[1]
    scale = float(expected.abs().max())
    assert float((found - expected).abs().max()) < 1e-3 * scale
    assert float((swapped - expected).abs().max()) > 1e-2 * scale  # colours do matter


@pytest.mark.parametrize("name", _FILES)
def test_weights_of_torchvision_give_its_features(name: str, tmp_path: Path) -> None:
    network = _trained(name)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    backbone = build_backbone(name, str(tmp_path / "weights.pth"))
    (tmp_path / "weights.pth").unlink()  # up to 100 MB
    _assert_same_features(backbone, network)


def test_densenet_takes_the_names_of_its_published_files(tmp_path: Path) -> None:
    network = _trained("densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", key): value
        for key, value in network.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    _assert_same_features(build_backbone("densenet121", str(tmp_path / "old.pth")), network)


def test_imagenet_weights_come_from_torchs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    network = _trained("mobilenet_v2")
    file = Path(torchvision.models.get_weight("MobileNet_V2_Weights.IMAGENET1K_V1").url).name
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(network.state_dict(), tmp_path / "hub" / "checkpoints" / file)
    _assert_same_features(build_backbone("mobilenet_v2", "imagenet"), network)
    (tmp_path / "hub" / "checkpoints" / file).write_bytes(b"PK\x03\x04half")
    with pytest.raises(InputError, match=r"model\.weights=FILE"):
        build_backbone("mobilenet_v2", "imagenet")


def test_imagenet_weights_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", fail)
    monkeypatch.setattr("torch.hub.urlopen", fail)
    with pytest.raises(InputError, match=r"of resnet101 could not be downloaded.*weights=FILE"):
        build_backbone("resnet101", "imagenet")
    with pytest.raises(InputError, match="no ImageNet weights"):
        build_backbone("osnet_0287", "imagenet")


def _state_of(network: str) -> Callable[[Path], None]:
    return lambda path: torch.save(
        torchvision.models.get_model(network, weights=None).state_dict(), path
    )


@pytest.mark.parametrize(
    ("mine", "file", "write", "message"),
    [
        *(("mobilenet_v2", f"none.{kind}", None, f"none.{kind}") for kind in ("npz", "pth", "xml")),
        *(
            (name, file, lambda path: path.write_bytes(b"PK\x03\x04half"), re.escape(file))
            for name, file in (
                ("resnet50", "cut.pth"), ("densenet121", "cut.pth"), ("mobilenet_v2", "cut.pth"),
                ("osnet_0287", "cut.xml"),
            )
        ),
        ("mobilenet_v2", "a.pth", lambda path: torch.save(torch.zeros(3), path), r"a\.pth"),
        ("mobilenet_v3_large", "other.pth", _state_of("mobilenet_v2"),
         r"other\.pth: not weights of mobilenet_v3_large"),
        ("resnet101", "other.pth", _state_of("resnet50"),  # all it has fits, and more is wanted
         r"other\.pth: not weights of resnet101"),
        ("mobilenet_v2", "short.npz",
         lambda path: np.savez(path, **{"conv00.weight": np.zeros((32, 3, 3, 3))}),
         r"short\.npz: not folded MobileNetV2 weights"),
        ("mobilenet_v2", "cut.npz", lambda path: path.write_bytes(b"PK\x03\x04half"),
         r"cut\.npz: not folded MobileNetV2 weights"),
    ],
)  # fmt: skip
def test_files_that_are_no_weights_of_it_are_named(
    mine: str, file: str, write: Callable[[Path], None] | None, message: str, tmp_path: Path
) -> None:
    if write:
        write(tmp_path / file)
    with pytest.raises(InputError, match=message):
        build_backbone(mine, str(tmp_path / file))
    (tmp_path / file).unlink(missing_ok=True)  # up to 100 MB


def _folded_file(path: Path) -> dict[str, np.ndarray]:
    """Random convolutions of MobileNetV2, their batch norms folded into biases."""
    rng = np.random.default_rng(0)
    plain = build_backbone("mobilenet_v2", "none")
    convolutions = [module for module in plain.modules() if isinstance(module, nn.Conv2d)]
    arrays = {}
    for index, convolution in enumerate(convolutions):
        shape = tuple(convolution.weight.shape)
        fan = shape[1] * shape[2] * shape[3]
        arrays[f"conv{index:02d}.weight"] = rng.normal(0, (2 / fan) ** 0.5, shape).astype("f4")
        arrays[f"conv{index:02d}.bias"] = rng.normal(0, 0.1, shape[0]).astype("f4")
    np.savez(path, **arrays)
    return arrays


def test_folded_weights_and_their_batch_norms(tmp_path: Path) -> None:
    """After the start from data, each batch norm adds its folded bias and nothing else."""
    arrays = _folded_file(tmp_path / "w.npz")
    backbone = build_backbone("mobilenet_v2", str(tmp_path / "w.npz"))
    assert has_folded_norms(backbone)
    pixels = torch.randn(8, 3, 128, 64)
    set_batch_norms_from_data(backbone.train(), pixels)
    assert backbone.training
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    found: list[float] = []

    def compare(norm: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        bias = norm.folded_bias.view(1, -1, 1, 1)
        found.append(float((output - inputs[0] - bias).abs().max() / inputs[0].abs().max()))

    for training in (True, False):  # on the same crops, batch and running statistics agree
        hooks = [norm.register_forward_hook(compare) for norm in norms]
        with torch.no_grad():
            backbone.train(training)(pixels)
        for hook in hooks:
            hook.remove()
    assert len(found) == 2 * 52
    assert max(found[:52]) < 1e-4
    first = next(module for module in backbone.modules() if isinstance(module, nn.Conv2d))
    assert torch.equal(first.weight.detach().flip(1), torch.from_numpy(arrays["conv00.weight"]))


def test_folded_weights_bring_their_own_normalisation(tmp_path: Path) -> None:
    _folded_file(tmp_path / "w.npz")
    net = build_model(3, ModelOptions(weights=str(tmp_path / "w.npz")), (64, 32))
    assert net.mean.flatten().tolist() == net.std.flatten().tolist() == [127.5] * 3
