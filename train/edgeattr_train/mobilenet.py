"""MobileNetV2 (Sandler et al., CVPR 2018) and MobileNetV3-Large (Howard et al., ICCV 2019)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgeattr.core.errors import InputError
from edgeattr_train.backbones import ImageNetBackbone, take_bgr

__all__ = ["MobileNetV2", "MobileNetV3Large"]


class _MobileNet(ImageNetBackbone):
    strides = (16, 32)
    last_at_stride_16: int  # blocks up to k1

    def adopt(self, network: Any) -> None:
        self.until_k1 = network.features[: self.last_at_stride_16]
        self.until_k2 = network.features[self.last_at_stride_16 :]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        k1 = self.until_k1(x)
        return k1, self.until_k2(k1)


class MobileNetV3Large(_MobileNet):
    """3.0 M parameters without its classifier, 0.14 GMAC at 256x128."""

    architecture = "mobilenet_v3_large"
    channels = (112, 960)
    last_at_stride_16 = 13


class MobileNetV2(_MobileNet):
    """2.2 M parameters without its classifier, 0.20 GMAC at 256x128."""

    architecture = "mobilenet_v2"
    channels = (96, 1280)
    last_at_stride_16 = 14

    def load_weights(self, path: Path) -> None:
        """Take torchvision's file, or an ``.npz`` of convolutions with folded batch norms."""
        if path.suffix == ".npz":
            self._load_folded(path)
        else:
            super().load_weights(path)

    def _load_folded(self, path: Path) -> None:
        """``convNN.weight|bias`` in the order of the network; its input is RGB in -1..1.

        The biases go to the batch norms, which
        :func:`edgeattr_train.folded.set_batch_norms_from_data` completes.
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
