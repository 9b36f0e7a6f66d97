"""Visual attention of Sarafianos et al. (ECCV 2018, section 3): mask, confidence, classifier.

Every branch turns feature maps into logits [N, C] and its masks. They differ in what classifies
the attended features:

    edge    pools the features under each attribute's mask and classifies them by a linear form
    paper   the authors' 256-512-C convolutions, the last as large as the map
    joint   the paper's classifier over two scales brought to one size (feature aggregation)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeattr_train.layers import at_least_float32, convolution

MapSize = tuple[int, int]  # height and width of a feature map

_NARROW, _WIDE = 256, 512  # the paper's classifier, as its authors give it
_SRN_WIDTH = 512  # of SRN's attention and its regularization's 1x1 convolutions
_SRN_FILTERS = 4  # each channel of the weighted maps gets four filters as large as the map


def spatial_softmax(scores: Tensor) -> Tensor:
    """Eq. 2: each attribute's scores become a mask that sums to 1. [N, C, h, w], float32."""
    return at_least_float32(scores).flatten(2).softmax(2).view_as(scores)


class AttentionBranch(nn.Module):
    """What the model asks of a branch."""

    def forward(self, *features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Feature maps [N, channels, h, w] -> logits [N, C] and a mask [N, C, h, w] for each."""
        raise NotImplementedError


class SpatialAttention(nn.Module):
    """Where to look for each attribute, and how far to trust what is there.

    Three 1x1 convolutions give Z, whose spatial softmax is the mask; beside them one 1x1
    convolution with a sigmoid is the confidence.

    Args:
        channels: of the feature map.
        hidden: width of the first two convolutions (the paper's: 256).
        attributes: C.
    """

    def __init__(self, channels: int, hidden: int, attributes: int) -> None:
        super().__init__()
        self.scores = nn.Sequential(
            *convolution(channels, hidden),
            *convolution(hidden, hidden),
            nn.Conv2d(hidden, attributes, 1),
        )
        self.confidence = nn.Conv2d(channels, attributes, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[N, channels, h, w] -> mask and confidence, both float32 [N, C, h, w]."""
        confidence = at_least_float32(self.confidence(features)).sigmoid()
        return spatial_softmax(self.scores(features)), confidence


class EdgeBranch(AttentionBranch):
    """Attention with a classifier that costs a hundredth of the paper's.

    The features are pooled under mask a and confidence s and classified by one linear form v_c
    per attribute, which by linearity is a 1x1 convolution summed under the mask:

        y_c = b_c + sum_hw a[c, hw] * s[c, hw] * (v_c . k[:, hw])
    """

    def __init__(self, channels: int, hidden: int, attributes: int) -> None:
        super().__init__()
        self.attention = SpatialAttention(channels, hidden, attributes)
        self.classifier = nn.Conv2d(channels, attributes, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(attributes))

    def forward(self, *features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        (map_,) = features
        mask, confidence = self.attention(map_)
        evidence = at_least_float32(self.classifier(map_))
        # over both axes at once: OpenVINO 2026.4 sums a flattened map wrongly on AVX2
        return (mask * confidence * evidence).sum((2, 3)) + self.bias, (mask,)


class PaperBranch(AttentionBranch):
    """Attention with the paper's classifier, which fixes the size of the map.

    Args:
        channels: of the feature map.
        hidden: of the attention.
        attributes: C.
        size: height and width of the map.
    """

    def __init__(self, channels: int, hidden: int, attributes: int, size: MapSize) -> None:
        super().__init__()
        self.attention = SpatialAttention(channels, hidden, attributes)
        self.classifier = _large_kernel_classifier(attributes, attributes, size)

    def forward(self, *features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        (map_,) = features
        mask, confidence = self.attention(map_)
        return at_least_float32(self.classifier(mask * confidence)).flatten(1), (mask,)


class JointBranch(AttentionBranch):
    """Feature aggregation, the ablation of the paper: two scales joined before one classifier.

    Args:
        channels: of k1 and k2.
        hidden: of the attention.
        attributes: C.
        sizes: of k1 and k2.
        way: ``upsample`` the small, max-``pool`` the large, or halve it by a ``stride`` 2
            convolution.
    """

    def __init__(
        self,
        channels: tuple[int, int],
        hidden: int,
        attributes: int,
        sizes: tuple[MapSize, MapSize],
        way: str,
    ) -> None:
        super().__init__()
        self.way = way
        self.large = SpatialAttention(channels[0], hidden, attributes)
        self.small = SpatialAttention(channels[1], hidden, attributes)
        if way == "stride":
            self.halve = nn.Conv2d(attributes, attributes, 3, stride=2, padding=1)
        joined = sizes[0] if way == "upsample" else sizes[1]
        self.classifier = _large_kernel_classifier(2 * attributes, attributes, joined)

    def forward(self, *features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        k1, k2 = features
        mask1, confidence1 = self.large(k1)
        mask2, confidence2 = self.small(k2)
        attended1, attended2 = mask1 * confidence1, mask2 * confidence2
        if self.way == "stride":
            attended1 = self.halve(attended1)
        joined = torch.cat(bring_to_one_size(attended1, attended2, self.way), 1)
        return at_least_float32(self.classifier(joined)).flatten(1), (mask1, mask2)


def bring_to_one_size(large: Tensor, small: Tensor, way: str) -> tuple[Tensor, Tensor]:
    """The two attended maps at one size: the small upsampled, or the large max-pooled.

    A large map that a convolution has already brought to the small one's size stays as it is.
    """
    if way == "upsample":
        return large, F.interpolate(small, size=large.shape[2:], mode="nearest")
    if large.shape[2:] != small.shape[2:]:
        large = F.adaptive_max_pool2d(large, (small.shape[2], small.shape[3]))
    return large, small


def _large_kernel_classifier(inputs: int, attributes: int, size: MapSize) -> nn.Sequential:
    return nn.Sequential(
        *convolution(inputs, _NARROW),
        *convolution(_NARROW, _WIDE),
        nn.Conv2d(_WIDE, attributes, size),
    )


class SpatialRegularization(AttentionBranch):
    """Spatial regularization network (Zhu et al., CVPR 2017): the baseline the paper compares with.

    Weighted attention maps of all attributes, classified together (section 3.2 there). The layers
    and the equal average of the two scores are theirs. They train in four stages, the attention
    first by a score of its own; here everything is trained at once, by the final score.

    Args:
        channels: of the feature map.
        attributes: C.
        size: height and width of the map.
    """

    def __init__(self, channels: int, attributes: int, size: MapSize) -> None:
        super().__init__()
        self.scores = nn.Sequential(
            *convolution(channels, _SRN_WIDTH),
            *convolution(_SRN_WIDTH, _SRN_WIDTH, 3),
            nn.Conv2d(_SRN_WIDTH, attributes, 1),
        )
        self.confidence = nn.Conv2d(channels, attributes, 1)
        filters = _SRN_FILTERS * _SRN_WIDTH
        self.regularize = nn.Sequential(
            *convolution(attributes, _SRN_WIDTH),
            *convolution(_SRN_WIDTH, _SRN_WIDTH),
            nn.Conv2d(_SRN_WIDTH, filters, size, groups=_SRN_WIDTH, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(filters, attributes)

    def forward(self, *features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        (map_,) = features
        mask = spatial_softmax(self.scores(map_))
        weighted = mask * at_least_float32(self.confidence(map_)).sigmoid()
        logits: Tensor = self.classifier(self.regularize(weighted).flatten(1))
        return at_least_float32(logits), (mask,)
