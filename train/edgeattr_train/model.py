"""The attention model of Sarafianos et al. (ECCV 2018, section 3) and the models beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgeattr.core.errors import UsageError
from edgeattr_train.attention import (
    AttentionBranch,
    EdgeBranch,
    JointBranch,
    PaperBranch,
)
from edgeattr_train.backbones import Backbone, build_backbone
from edgeattr_train.embedding import EmbeddingBranch
from edgeattr_train.layers import at_least_float32
from edgeattr_train.srn import SpatialRegularization

__all__ = ["AttributeNet", "ModelOptions", "MultiTaskClassifier", "NetOutput", "build_model"]

_MAPS = ("k1", "k2")
_CHOICES = {
    "head": ("edge", "paper", "srn"),
    "aggregation": ("score", "upsample", "pool", "stride"),
    "primary": ("linear", "multi_task"),
    "neck": ("none", "batch_norm"),
}


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What is built; everything that must match between a checkpoint and its model."""

    backbone: str = "mobilenet_v2"  # a name of edgeattr_train.backbones
    weights: str = "none"  # "none", "imagenet" or a file: where the backbone starts from
    start: str = ""  # a best.pt (weights are taken where name and shape agree), or a bundle
    attend: tuple[str, ...] = ("k1", "k2")  # feature maps with attention; none: plain backbone
    head: str = "edge"  # classifier of the attended features: "edge", "paper" or "srn"
    aggregation: str = "score"  # of two scales: "score", or features by "upsample|pool|stride"
    attention_channels: int = 128  # width of the two hidden 1x1 convolutions; the paper has 256
    primary: str = "linear"  # on the pooled last map: "linear", or "multi_task" with
    multi_task_units: int = 64  # hidden units of each attribute's own classifier
    dropout: float = 0.1  # before the primary classifier
    embedding: int = 0  # size of a person embedding with a classifier of its own; 0: none
    neck: str = "none"  # "batch_norm": normalise what the heads get, for features of small scale

    def __post_init__(self) -> None:
        for field, choices in _CHOICES.items():
            if getattr(self, field) not in choices:
                raise UsageError(
                    f"model.{field}={getattr(self, field)!r}; expected one of {', '.join(choices)}"
                )
        for field in ("attention_channels", "multi_task_units"):
            if getattr(self, field) < 1:
                raise UsageError(f"model.{field}={getattr(self, field)}; expected at least 1")
        if self.embedding < 0:
            raise UsageError(f"model.embedding={self.embedding}; expected 0 or more")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"model.dropout={self.dropout}; expected 0 or more, below 1")
        if not set(self.attend) <= set(_MAPS) or len(set(self.attend)) < len(self.attend):
            raise UsageError(f"model.attend={list(self.attend)}; expected some of {list(_MAPS)}")
        if self.aggregation != "score" and (self.head != "paper" or self.attend != _MAPS):
            raise UsageError(
                f"model.aggregation={self.aggregation!r} joins the features of k1 and k2: it wants "
                'model.head="paper" and model.attend=["k1", "k2"]'
            )


class NetOutput(NamedTuple):
    """Everything one forward pass gives. C attributes."""

    logits: Tensor  # [N, C], the average of the scores below
    primary: Tensor  # [N, C], y_p: from the pooled last feature map
    attended: tuple[Tensor, ...]  # y_a1, y_a2, each [N, C]
    masks: tuple[Tensor, ...]  # attention at each scale, [N, C, h, w], each sums to 1
    pooled: Tensor  # [N, channels], the last feature map's mean
    embedding: Tensor | None = None  # [N, D], where the model has one
    embedded: tuple[Tensor, ...] = ()  # y_e, [N, C]: from that


class MultiTaskClassifier(nn.Module):
    """A small network of its own for each attribute: units, ReLU, score.

    Args:
        channels: of the pooled features.
        units: hidden units per attribute.
        attributes: C.
    """

    def __init__(self, channels: int, units: int, attributes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, units * attributes)
        # one filter per attribute over its own units
        self.score = nn.Conv1d(units * attributes, attributes, 1, groups=attributes)

    def forward(self, pooled: Tensor) -> Tensor:
        """[N, channels] -> [N, C]."""
        scores: Tensor = self.score(self.hidden(pooled).relu().unsqueeze(2))
        return scores.squeeze(2)


class AttributeNet(nn.Module):
    """Backbone, primary classifier, attention branches, scores averaged.

    Args:
        backbone: gives k1 and k2.
        attributes: C.
        options: what is built.
        size: height and width of the input; classifiers with a large kernel are tied to it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: Backbone, attributes: int, options: ModelOptions, size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        last = backbone.channels[1]
        self.dropout = nn.Dropout(options.dropout)
        self.pooled_neck = _neck(options, nn.BatchNorm1d, last)
        self.primary: nn.Module = (
            nn.Linear(last, attributes)
            if options.primary == "linear"
            else MultiTaskClassifier(last, options.multi_task_units, attributes)
        )
        self.embedded = (
            EmbeddingBranch(last, options.embedding, attributes) if options.embedding else None
        )
        self.takes = _taken(options)
        self.necks = nn.ModuleDict(
            {
                name: _neck(options, nn.BatchNorm2d, backbone.channels[_MAPS.index(name)])
                for name in options.attend
            }
        )
        self.branches = nn.ModuleList(
            _branch(backbone, attributes, options, size, names) for names in self.takes
        )
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> NetOutput:
        """Score crops.

        Args:
            crops: uint8 [N, H, W, 3], blue-green-red.
        """
        # the cast first: TensorRT takes bytes only where a cast follows them
        pixels = (crops.float().permute(0, 3, 1, 2) - self.mean) / self.std
        maps = dict(zip(_MAPS, self.backbone(pixels), strict=True))
        pooled = self.pooled_neck(maps["k2"].mean((2, 3)))
        primary = at_least_float32(self.primary(self.dropout(pooled)))
        necked = {name: neck(maps[name]) for name, neck in self.necks.items()}
        found = [
            branch(*(necked[name] for name in names))
            for names, branch in zip(self.takes, self.branches, strict=True)
        ]
        attended = tuple(logits for logits, _ in found)
        masks = tuple(mask for _, group in found for mask in group)
        embedding, *embedded = self.embedded(pooled) if self.embedded is not None else (None,)
        further = (*attended, *embedded)
        logits = sum(further, primary) / (1 + len(further))
        return NetOutput(logits, primary, attended, masks, pooled, embedding, tuple(embedded))

    def head_parameters(self) -> list[nn.Parameter]:
        """Everything but the backbone."""
        inside = {id(parameter) for parameter in self.backbone.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in inside]


def build_model(attributes: int, options: ModelOptions, size: tuple[int, int]) -> AttributeNet:
    """Build a model with its first weights.

    Args:
        attributes: C.
        options: what is built.
        size: height and width of the input, pixels.

    Raises:
        UsageError: unknown backbone.
        InputError: the backbone's weights cannot be had.
    """
    backbone = build_backbone(options.backbone, options.weights)
    return AttributeNet(backbone, attributes, options, size)


def _taken(options: ModelOptions) -> tuple[tuple[str, ...], ...]:
    """Which maps each branch takes."""
    if options.aggregation == "score":
        return tuple((name,) for name in options.attend)
    return (options.attend,)


def _branch(
    backbone: Backbone,
    attributes: int,
    options: ModelOptions,
    size: tuple[int, int],
    names: tuple[str, ...],
) -> AttentionBranch:
    hidden = options.attention_channels
    places = [_MAPS.index(name) for name in names]
    channels = [backbone.channels[place] for place in places]
    if options.head == "edge":
        return EdgeBranch(channels[0], hidden, attributes)
    sizes = [backbone.map_sizes(size)[place] for place in places]
    if len(places) > 1:
        return JointBranch(
            (channels[0], channels[1]),
            hidden,
            attributes,
            (sizes[0], sizes[1]),
            options.aggregation,
        )
    if options.head == "paper":
        return PaperBranch(channels[0], hidden, attributes, sizes[0])
    return SpatialRegularization(channels[0], attributes, sizes[0])


def _neck(options: ModelOptions, norm: type[nn.Module], channels: int) -> nn.Module:
    return norm(channels) if options.neck == "batch_norm" else nn.Identity()
