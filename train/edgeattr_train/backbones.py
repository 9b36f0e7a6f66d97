"""The interface of a backbone, and the table of those that there are."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from edgeattr.core.errors import InputError, UsageError

_BUILDERS = {
    **dict.fromkeys(
        ("resnet50", "resnet101", "resnet152", "densenet121", "densenet201", "mobilenet_v2",
         "mobilenet_v3_large"),
        "edgeattr_train.imagenet_backbones:ImageNetBackbone",
    ),
    **dict.fromkeys(("osnet_0277", "osnet_0286", "osnet_0287"), "edgeattr_train.osnet:OSNet"),
}  # fmt: skip


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
    builder: Callable[[str], Backbone] = getattr(importlib.import_module(module), attribute)
    backbone = builder(name)
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
