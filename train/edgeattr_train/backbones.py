"""What a backbone is, and which there are."""

from __future__ import annotations

import importlib
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from edgeattr.core.errors import InputError, UsageError

__all__ = ["Backbone", "ImageNetBackbone", "build_backbone", "take_bgr"]

_BUILDERS = {
    "resnet50": "edgeattr_train.resnet:ResNet50",
    "resnet101": "edgeattr_train.resnet:ResNet101",
    "resnet152": "edgeattr_train.resnet:ResNet152",
    "densenet121": "edgeattr_train.densenet:DenseNet121",
    "densenet201": "edgeattr_train.densenet:DenseNet201",
    "mobilenet_v2": "edgeattr_train.mobilenet:MobileNetV2",
    "mobilenet_v3_large": "edgeattr_train.mobilenet:MobileNetV3Large",
    "osnet_0277": "edgeattr_train.osnet:OSNet0277",
    "osnet_0286": "edgeattr_train.osnet:OSNet0286",
    "osnet_0287": "edgeattr_train.osnet:OSNet0287",
}


class Backbone(nn.Module):
    """A network with two feature maps that the attention model looks at.

    Attributes:
        channels: of k1 and k2.
        strides: of k1 and k2: input pixels per position.
        mean: subtracted from the pixels, 0..255, blue-green-red.
        std: divides them afterwards.
    """

    channels: tuple[int, int]
    strides: tuple[int, int]
    # torchvision's ImageNet statistics, in blue-green-red and times 255
    mean: tuple[float, float, float] = (103.53, 116.28, 123.675)
    std: tuple[float, float, float] = (57.375, 57.12, 58.395)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, H, W] -> k1 and k2, each [N, channels, about H / stride, about W / stride]."""
        raise NotImplementedError

    def load_weights(self, path: Path) -> None:
        """Start from the weights in a file.

        Raises:
            InputError: the file is missing or does not fit.
        """
        raise NotImplementedError

    def load_imagenet(self) -> None:
        """Start from ImageNet weights, downloaded where they are not at hand.

        Raises:
            InputError: there are none for this backbone.
            OSError, RuntimeError: they could not be downloaded, or are not what was asked for.
        """
        raise InputError("this backbone has no ImageNet weights; give a file of its own weights")

    @torch.no_grad()
    def map_sizes(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Height and width of k1 and k2 for an input of this height and width."""
        was_training = self.training
        k1, k2 = self.eval()(torch.zeros(1, 3, *size))
        self.train(was_training)
        return (k1.shape[2], k1.shape[3]), (k2.shape[2], k2.shape[3])


class ImageNetBackbone(Backbone):
    """One of torchvision's classification networks, with its ImageNet weights.

    Attributes:
        architecture: torchvision's name for it.
    """

    architecture: str

    def __init__(self) -> None:
        super().__init__()
        self.adopt(torchvision.models.get_model(self.architecture, weights=None))

    def adopt(self, network: nn.Module) -> None:
        """Take the layers of torchvision's network."""
        raise NotImplementedError

    def load_imagenet(self) -> None:
        network = torchvision.models.get_model(self.architecture, weights="IMAGENET1K_V1")
        self.adopt(network)
        take_bgr(self)

    def load_weights(self, path: Path) -> None:
        """Take a state dict as torchvision publishes it."""
        network = torchvision.models.get_model(self.architecture, weights=None)
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            result = network.load_state_dict(_modern_names(state), strict=False)
        except Exception as error:  # torch raises many kinds on files that do not fit
            raise InputError(f"{path}: not weights of {self.architecture} ({error})") from error
        missing = [key for key in result.missing_keys if not key.startswith(("fc.", "classifier."))]
        if missing or result.unexpected_keys:
            raise InputError(
                f"{path}: not weights of {self.architecture}: {len(missing)} entries are missing "
                f"and {len(result.unexpected_keys)} are unknown, such as "
                f"{(missing + list(result.unexpected_keys))[0]!r}"
            )
        self.adopt(network)
        take_bgr(self)


def build_backbone(name: str, weights: str) -> Backbone:
    """Build a backbone and give it its first weights.

    Args:
        name: one of the names above.
        weights: ``none`` (random), ``imagenet`` (torchvision's, downloaded) or a file.

    Raises:
        UsageError: no such backbone.
        InputError: the weights cannot be had or do not fit.
    """
    if name not in _BUILDERS:
        raise UsageError(f"no backbone {name!r}; there are: {', '.join(sorted(_BUILDERS))}")
    module, _, attribute = _BUILDERS[name].partition(":")
    builder: Callable[[], Backbone] = getattr(importlib.import_module(module), attribute)
    backbone = builder()
    if weights == "imagenet":
        try:
            backbone.load_imagenet()
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            # no network, another file than was asked for, or one that was cut off
            raise InputError(
                f"the ImageNet weights of {name} could not be downloaded ({error}); fetch "
                f"torchvision's file elsewhere and pass --set model.weights=FILE"
            ) from error
    elif weights != "none":
        if not Path(weights).is_file():
            raise InputError(f'model.weights={weights!r} is neither "none", "imagenet" nor a file')
        backbone.load_weights(Path(weights))
    return backbone


@torch.no_grad()
def take_bgr(network: nn.Module) -> None:
    """Turn a first convolution that expects red-green-blue into one that expects BGR."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    first.weight.copy_(first.weight.flip(1))


def _modern_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """DenseNet's published files say ``norm.1.weight`` where the network says ``norm1.weight``."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", key): value
        for key, value in state.items()
    }
