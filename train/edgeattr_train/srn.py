"""Spatial regularization network (Zhu et al., CVPR 2017): the baseline the paper compares with.

The layers and the equal average of the two scores are theirs. They train in four stages, the
attention first by a score of its own; here everything is trained at once, by the final score.
"""

from __future__ import annotations

from torch import Tensor, nn

from edgeattr_train.attention import AttentionBranch, MapSize, spatial_softmax
from edgeattr_train.layers import at_least_float32, convolution

__all__ = ["SpatialRegularization"]

_WIDTH = 512  # of the attention's and the regularization's 1x1 convolutions
_FILTERS_PER_CHANNEL = 4  # each channel of the weighted maps gets four filters as large as the map


class SpatialRegularization(AttentionBranch):
    """Weighted attention maps of all attributes, classified together (section 3.2 there).

    Args:
        channels: of the feature map.
        attributes: C.
        size: height and width of the map.
    """

    def __init__(self, channels: int, attributes: int, size: MapSize) -> None:
        super().__init__()
        self.scores = nn.Sequential(
            *convolution(channels, _WIDTH),
            *convolution(_WIDTH, _WIDTH, 3),
            nn.Conv2d(_WIDTH, attributes, 1),
        )
        self.confidence = nn.Conv2d(channels, attributes, 1)
        filters = _FILTERS_PER_CHANNEL * _WIDTH
        self.regularize = nn.Sequential(
            *convolution(attributes, _WIDTH),
            *convolution(_WIDTH, _WIDTH),
            nn.Conv2d(_WIDTH, filters, size, groups=_WIDTH, bias=False),
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
