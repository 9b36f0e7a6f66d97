"""DenseNet (Huang et al., CVPR 2017): k1 is dense block 3, k2 block 4 with its last norm."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from edgeattr_train.backbones import ImageNetBackbone

__all__ = ["DenseNet121", "DenseNet201"]


class _DenseNet(ImageNetBackbone):
    strides = (16, 32)

    def adopt(self, network: Any) -> None:
        layers = dict(network.features.named_children())
        names = list(layers)
        after_k1 = names.index("denseblock3") + 1
        self.until_k1 = nn.Sequential(*(layers[name] for name in names[:after_k1]))
        self.until_k2 = nn.Sequential(
            *(layers[name] for name in names[after_k1:]), nn.ReLU(inplace=True)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        k1 = self.until_k1(x)
        return k1, self.until_k2(k1)


class DenseNet121(_DenseNet):
    """7.0 M parameters without its classifier."""

    architecture = "densenet121"
    channels = (1024, 1024)


class DenseNet201(_DenseNet):
    """18.1 M parameters without its classifier."""

    architecture = "densenet201"
    channels = (1792, 1920)
