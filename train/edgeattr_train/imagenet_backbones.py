"""torchvision's ResNets, DenseNets and MobileNets, cut where the attention model looks.

The cut keeps torchvision's modules as they are. Its own feature extractor would rename every one
of them, and so every parameter in checkpoints, bundles and ``schedule.frozen``.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from edgeattr.core.errors import InputError
from edgeattr_train.backbones import Backbone, take_bgr

_MAPS = {  # channels of k1 and k2, and how many layers there are up to k1
    "resnet50": ((1024, 2048), 7),
    "resnet101": ((1024, 2048), 7),
    "resnet152": ((1024, 2048), 7),
    "densenet121": ((1024, 1024), 9),
    "densenet201": ((1792, 1920), 9),
    "mobilenet_v2": ((96, 1280), 14),
    "mobilenet_v3_large": ((112, 960), 13),
}


class ImageNetBackbone(Backbone):
    """One of torchvision's classification networks, without its classifier.

    k1 is the last map at stride 16, k2 that at stride 32.

    Args:
        architecture: torchvision's name for it.
    """

    strides = (16, 32)

    def __init__(self, architecture: str) -> None:
        super().__init__()
        self.architecture = architecture
        self.channels, self._layers_to_k1 = _MAPS[architecture]
        self._cut(torchvision.models.get_model(architecture, weights=None))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        k1 = self.until_k1(x)
        return k1, self.until_k2(k1)

    def load_imagenet(self) -> None:
        self._cut(torchvision.models.get_model(self.architecture, weights="IMAGENET1K_V1"))
        take_bgr(self)

    def load_weights(self, path: Path) -> None:
        """Take a state dict as torchvision publishes it, or MobileNetV2's folded ``.npz``."""
        if self.architecture == "mobilenet_v2" and path.suffix == ".npz":
            self._load_folded(path)
            return
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
        self._cut(network)
        take_bgr(self)

    def _cut(self, network: Any) -> None:
        """Take the layers of torchvision's network."""
        until = self._layers_to_k1
        if isinstance(network, torchvision.models.ResNet):
            layers = list(network.children())
            self.until_k1, self.until_k2 = nn.Sequential(*layers[:until]), layers[until]
        elif isinstance(network, torchvision.models.DenseNet):
            layers = [*network.features, nn.ReLU(inplace=True)]
            self.until_k1 = nn.Sequential(*layers[:until])
            self.until_k2 = nn.Sequential(*layers[until:])
        else:
            self.until_k1, self.until_k2 = network.features[:until], network.features[until:]

    def _load_folded(self, path: Path) -> None:
        """``convNN.weight|bias`` in the order of the network; its input is RGB in -1..1.

        The biases go to the batch norms, which
        :func:`edgeattr_train.start.set_batch_norms_from_data` completes.
        """
        convolutions = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        try:
            with open(path, "rb") as file, np.load(file) as arrays, torch.no_grad():
                for index, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
                    weight = torch.from_numpy(arrays[f"conv{index:02d}.weight"].astype(np.float32))
                    convolution.weight.copy_(weight)
                    norm.bias.copy_(torch.from_numpy(arrays[f"conv{index:02d}.bias"]))
        except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not folded MobileNetV2 weights ({error})") from error
        take_bgr(self)
        self.mean = self.std = (127.5, 127.5, 127.5)
        for norm in norms:
            norm.register_buffer("folded_bias", norm.bias.detach().clone(), persistent=False)


def _modern_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """DenseNet's published files say ``norm.1.weight`` where the network says ``norm1.weight``."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", key): value
        for key, value in state.items()
    }
