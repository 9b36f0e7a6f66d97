"""Backbones that expose the two feature maps the paper attends to.

``k1`` comes from the last stage at stride 16, ``k2`` from the end at stride 32.
"""

from __future__ import annotations

import importlib
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from edgeattr.errors import InputError, UsageError

__all__ = ["Backbone", "MobileNetV2", "build_backbone", "set_batch_norms_from_data"]

_BUILDERS = {"mobilenet_v2": "edgeattr_train.backbones:MobileNetV2"}


class Backbone(nn.Module):
    """What the attention model asks of a backbone.

    Attributes:
        channels: channels of k1 and k2.
        mean: subtracted from the pixels, 0..255, blue-green-red.
        std: divides them afterwards.
    """

    channels: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, H, W] -> k1 [N, c1, H/16, W/16] and k2 [N, c2, H/32, W/32]."""
        raise NotImplementedError

    def load_weights(self, path: Path) -> None:
        """Start from the weights in a file.

        Raises:
            InputError: the file is missing or does not fit.
        """
        raise NotImplementedError


def build_backbone(name: str, weights: str) -> Backbone:
    """Build a backbone and give it its first weights.

    Args:
        name: ``mobilenet_v2``.
        weights: ``none`` (random), ``imagenet`` (torchvision's, downloaded) or a file.

    Raises:
        UsageError: no such backbone.
        InputError: the weights cannot be had or do not fit.
    """
    if name not in _BUILDERS:
        raise UsageError(f"no backbone {name!r}; there are: {', '.join(sorted(_BUILDERS))}")
    module, _, attribute = _BUILDERS[name].partition(":")
    builder: Callable[[bool], Backbone] = getattr(importlib.import_module(module), attribute)
    try:
        backbone = builder(weights == "imagenet")
    except (urllib.error.URLError, OSError) as error:
        raise InputError(
            f"torchvision could not download the ImageNet weights of {name} ({error}); fetch them "
            "elsewhere and pass --set model.weights=FILE"
        ) from error
    if weights not in ("none", "imagenet"):
        backbone.load_weights(Path(weights))
    return backbone


class MobileNetV2(Backbone):
    """MobileNetV2 1.0 (Sandler et al. 2018): 2.2 M parameters, 0.20 GMAC at 256x128."""

    channels = (96, 1280)
    mean = (127.5, 127.5, 127.5)
    std = (127.5, 127.5, 127.5)

    def __init__(self, pretrained: bool = False) -> None:
        super().__init__()
        weights = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V2 if pretrained else None
        features = torchvision.models.mobilenet_v2(weights=weights).features
        self.until_k1 = features[:14]  # ends with the last 96-channel block at stride 16
        self.until_k2 = features[14:]
        if pretrained:
            self._take_bgr()
            self.mean, self.std = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        k1 = self.until_k1(x)
        return k1, self.until_k2(k1)

    def load_weights(self, path: Path) -> None:
        if path.suffix == ".npz":
            self._load_folded(path)
            return
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            features = torchvision.models.mobilenet_v2().features
            prefix = "features."
            features.load_state_dict(
                {
                    key.removeprefix(prefix): value
                    for key, value in state.items()
                    if key.startswith(prefix)
                }
            )
        except Exception as error:  # torch raises many kinds on files that do not fit
            raise InputError(f"{path}: not MobileNetV2 weights ({error})") from error
        self.until_k1, self.until_k2 = features[:14], features[14:]
        self._take_bgr()
        self.mean, self.std = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)

    def _load_folded(self, path: Path) -> None:
        """Weights with batch norms folded in, input RGB in -1..1: ``convNN.weight|bias``.

        The biases go to the batch norms, which :func:`set_batch_norms_from_data` completes.
        """
        convolutions = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        try:
            with np.load(path) as arrays, torch.no_grad():
                for index, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
                    weight = torch.from_numpy(arrays[f"conv{index:02d}.weight"].astype(np.float32))
                    convolution.weight.copy_(weight)
                    norm.bias.copy_(torch.from_numpy(arrays[f"conv{index:02d}.bias"]))
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise InputError(f"{path}: not folded MobileNetV2 weights ({error})") from error
        self._take_bgr()
        for norm in norms:
            norm.register_buffer("folded_bias", norm.bias.detach().clone(), persistent=False)

    def _take_bgr(self) -> None:
        """Turn a first convolution that expects RGB into one that expects BGR."""
        first = next(module for module in self.modules() if isinstance(module, nn.Conv2d))
        with torch.no_grad():
            first.weight.copy_(first.weight.flip(1))


@torch.no_grad()
def set_batch_norms_from_data(model: nn.Module, crops: Tensor) -> None:
    """Make each folded batch norm start as the identity plus its bias, on these crops.

    Layers are set in the order in which they run, each on the statistics that the layers before
    it produce: gamma = sqrt(var + eps), beta = mean + bias.

    Args:
        model: holds batch norms with a ``folded_bias``; others are left alone.
        crops: a batch that the model takes.
    """

    def set_from_input(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].float()
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + getattr(norm, "folded_bias"))  # noqa: B009 - a buffer

    norms = [
        module
        for module in model.modules()
        if isinstance(module, nn.BatchNorm2d) and hasattr(module, "folded_bias")
    ]
    was_training = model.training
    hooks = [norm.register_forward_pre_hook(set_from_input) for norm in norms]
    try:
        model.eval()(crops)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
