"""ResNet (He et al., CVPR 2016), the paper's main backbone: k1 is stage 3, k2 stage 4."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from edgeattr_train.backbones import ImageNetBackbone

__all__ = ["ResNet50", "ResNet101", "ResNet152"]


class _ResNet(ImageNetBackbone):
    channels = (1024, 2048)
    strides = (16, 32)

    def adopt(self, network: Any) -> None:
        self.until_k1 = nn.Sequential(
            network.conv1,
            network.bn1,
            network.relu,
            network.maxpool,
            network.layer1,
            network.layer2,
            network.layer3,
        )
        self.until_k2 = network.layer4

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        k1 = self.until_k1(x)
        return k1, self.until_k2(k1)


class ResNet50(_ResNet):
    """23.5 M parameters without its classifier."""

    architecture = "resnet50"


class ResNet101(_ResNet):
    """42.5 M parameters without its classifier."""

    architecture = "resnet101"


class ResNet152(_ResNet):
    """58.1 M parameters without its classifier."""

    architecture = "resnet152"
