"""The attention model of Sarafianos et al. (ECCV 2018, section 3) with a head for the edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgeattr_train.backbones import Backbone, build_backbone

__all__ = ["AttentionBranch", "AttributeNet", "ModelOptions", "NetOutput", "build_model"]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What is built; everything that must match between a checkpoint and its model."""

    backbone: str = "mobilenet_v2"  # a name of edgeattr_train.backbones
    weights: str = "none"  # "none", "imagenet" or a file: where the backbone starts from
    attention_channels: int = 128  # width of the two hidden 1x1 convolutions of a branch
    dropout: float = 0.1  # before the primary classifier


class NetOutput(NamedTuple):
    """Everything one forward pass gives. C attributes."""

    logits: Tensor  # [N, C], the average of the three scores below
    primary: Tensor  # [N, C], y_p: from the pooled last feature map
    attended: tuple[Tensor, Tensor]  # y_a1, y_a2, each [N, C]
    masks: tuple[Tensor, Tensor]  # attention at both scales, [N, C, h, w], each sums to 1


class AttentionBranch(nn.Module):
    """Attention at one scale, with the edge head.

    Three 1x1 convolutions give Z; its spatial softmax is the mask a (Eq. 2). A fourth with a
    sigmoid is the confidence s. The paper feeds a * s to a large-kernel classifier; the edge head
    instead pools the features under the mask and classifies them, one linear form v_c per
    attribute, which by linearity is a 1x1 convolution summed under the mask:

        y_c = b_c + sum_hw a[c, hw] * s[c, hw] * (v_c . k[:, hw])

    It costs a hundredth of the paper's head.
    """

    def __init__(self, channels: int, hidden: int, attributes: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, attributes, 1),
        )
        self.confidence = nn.Conv2d(channels, attributes, 1)
        self.classifier = nn.Conv2d(channels, attributes, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(attributes))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[N, channels, h, w] -> logits [N, C] and mask [N, C, h, w]."""
        z = self.attention(features).float()
        mask = z.flatten(2).softmax(2)
        confident = self.confidence(features).float().flatten(2).sigmoid()
        evidence = self.classifier(features).float().flatten(2)
        logits = (mask * confident * evidence).sum(2) + self.bias
        return logits, mask.view_as(z)


class AttributeNet(nn.Module):
    """Backbone, primary classifier, attention at two scales, scores averaged.

    Args:
        backbone: gives k1 and k2.
        attributes: C.
        options: widths.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, attributes: int, options: ModelOptions) -> None:
        super().__init__()
        self.backbone = backbone
        first, last = backbone.channels
        self.dropout = nn.Dropout(options.dropout)
        self.primary = nn.Linear(last, attributes)
        self.branch1 = AttentionBranch(first, options.attention_channels, attributes)
        self.branch2 = AttentionBranch(last, options.attention_channels, attributes)
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> NetOutput:
        """Score crops.

        Args:
            crops: uint8 [N, H, W, 3], blue-green-red.
        """
        pixels = (crops.permute(0, 3, 1, 2).float() - self.mean) / self.std
        k1, k2 = self.backbone(pixels)
        primary = self.primary(self.dropout(k2.mean((2, 3)))).float()
        attended1, mask1 = self.branch1(k1)
        attended2, mask2 = self.branch2(k2)
        logits = (primary + attended1 + attended2) / 3
        return NetOutput(logits, primary, (attended1, attended2), (mask1, mask2))

    def head_parameters(self) -> list[nn.Parameter]:
        """Everything but the backbone."""
        inside = {id(parameter) for parameter in self.backbone.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in inside]


def build_model(attributes: int, options: ModelOptions) -> AttributeNet:
    """Build a model with its first weights.

    Raises:
        UsageError: unknown backbone.
        InputError: the backbone's weights cannot be had.
    """
    backbone = build_backbone(options.backbone, options.weights)
    return AttributeNet(backbone, attributes, options)
