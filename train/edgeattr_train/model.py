"""The attention model of Sarafianos et al. (ECCV 2018, section 3) and the models beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeattr.core.errors import UsageError
from edgeattr.core.schema import PARTS
from edgeattr_train.attention import (
    AttentionBranch,
    EdgeBranch,
    JointBranch,
    PaperBranch,
    SpatialRegularization,
)
from edgeattr_train.backbones import Backbone, build_backbone
from edgeattr_train.layers import StripPooling, at_least_float32
from edgeattr_train.recipe_types import BelowOne, Count, Positive

_MAPS = ("k1", "k2")
_STRIP_DROPOUT = 0.2  # of the pooled features


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """What is built; everything that must match between a checkpoint and its model."""

    backbone: str = "mobilenet_v2"  # a name of edgeattr_train.backbones
    weights: str = "none"  # "none", "imagenet" or a file: where the backbone starts from
    start: str = ""  # a best.pt (weights are taken where name and shape agree), or a bundle
    attend: tuple[str, ...] = ("k1", "k2")  # feature maps with attention; none: plain backbone
    head: Literal["edge", "paper", "srn"] = "edge"  # classifier of the attended features
    aggregation: Literal["score", "upsample", "pool", "stride"] = "score"
    # of two scales: of their scores, or of features in one of three ways
    attention_channels: Positive = 128  # of the two hidden 1x1 convolutions; the paper has 256
    primary: Literal["linear", "multi_task", "strips"] = "linear"
    # on the pooled last map, or "strips": on mean, maximum and horizontal strips of both maps
    multi_task_units: Positive = 64  # hidden units of each attribute's own classifier
    strip_units: Positive = 384  # hidden units of the classifier on strips
    dropout: BelowOne = 0.1  # before the primary classifier; of strips, before its last layer
    visibility: bool = False  # whether it tells which parts of the body are in the picture
    embedding: Count = 0  # size of a person embedding, learnt by distillation.embedding; 0: none
    neck: Literal["none", "batch_norm"] = "none"
    # "batch_norm": normalise what the heads get, for features of small scale

    def __post_init__(self) -> None:
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
    visibility: Tensor | None = None  # [N, 4], logits of edgeattr.core.schema.PARTS
    embedding: Tensor | None = None  # [N, D], of any length

    def exported(self) -> list[Tensor]:
        """The outputs of the exported graph, as :meth:`AttributeNet.output_names` has them."""
        found = [self.logits]
        if self.visibility is not None:
            found.append(self.visibility.sigmoid())
        if self.embedding is not None:
            found.append(F.normalize(self.embedding))
        return [*found, *self.masks]


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


class StripClassifier(nn.Module):
    """One hidden layer on what :class:`StripPooling` gives of both maps.

    Args:
        features: of the pooled maps.
        units: hidden.
        attributes: C.
        dropout: before the last layer.
    """

    def __init__(self, features: int, units: int, attributes: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(_STRIP_DROPOUT),
            nn.Linear(features, units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(units, attributes),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        """[N, features] -> [N, C]."""
        scores: Tensor = self.layers(pooled)
        return scores


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
        self.dropout = nn.Dropout(options.dropout if options.primary != "strips" else 0.0)
        self.pooled_neck = _neck(options, nn.BatchNorm1d, last)
        self.on_strips = options.primary == "strips"
        wanted = self.on_strips or options.visibility or options.embedding
        self.strips = StripPooling(backbone.channels) if wanted else None
        features = self.strips.features if self.strips else 0
        self.primary = _primary(features, last, attributes, options)
        self.visibility = nn.Linear(features, len(PARTS)) if options.visibility else None
        self.embedding = nn.Linear(features, options.embedding) if options.embedding else None
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
        necked = {name: neck(maps[name]) for name, neck in self.necks.items()}
        whole = {**maps, **necked}
        strips = self.strips(whole["k1"], whole["k2"]) if self.strips is not None else pooled
        primary = at_least_float32(self.primary(strips if self.on_strips else self.dropout(pooled)))
        found = [
            branch(*(necked[name] for name in names))
            for names, branch in zip(self.takes, self.branches, strict=True)
        ]
        attended = tuple(logits for logits, _ in found)
        masks = tuple(mask for _, group in found for mask in group)
        logits = sum(attended, primary) / (1 + len(attended))
        visibility = self.visibility(strips) if self.visibility is not None else None
        # the backbone learns attributes; the embedding reads what it has
        embedding = self.embedding(strips.detach()) if self.embedding is not None else None
        return NetOutput(logits, primary, attended, masks, visibility, embedding)

    def output_names(self) -> list[str]:
        """Of the exported graph's outputs."""
        further = [name for name in ("visibility", "embedding") if getattr(self, name) is not None]
        scales = sum(map(len, self.takes))
        return ["logits", *further, *(f"attention_{scale}" for scale in range(scales))]

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


def _primary(strips: int, last: int, attributes: int, options: ModelOptions) -> nn.Module:
    if options.primary == "strips":
        return StripClassifier(strips, options.strip_units, attributes, options.dropout)
    if options.primary == "multi_task":
        return MultiTaskClassifier(last, options.multi_task_units, attributes)
    return nn.Linear(last, attributes)


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
