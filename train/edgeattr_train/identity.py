"""Telling persons apart, as a second task in training: it sharpens what the features hold.

Attributes belong to persons. Where the data says who is who, features that tell one person from
another carry more of what attributes are made of. The classifier is thrown away afterwards.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SCALE = 16.0  # of the cosine: large enough for a confident softmax over thousands of persons
_SMOOTHING = 0.1  # of the target, as re-identification trains


class IdentityClassifier(nn.Module):
    """Cosine of the normalised features with one direction per person.

    Args:
        channels: of the pooled features.
        persons: classes.
    """

    def __init__(self, channels: int, persons: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)
        self.directions = nn.Parameter(torch.randn(persons, channels) / channels**0.5)

    def forward(self, pooled: Tensor) -> Tensor:
        """[N, channels] -> [N, persons], scaled cosines."""
        features = F.normalize(self.norm(pooled.float()))
        return _SCALE * features @ F.normalize(self.directions).T


def identity_loss(cosines: Tensor, persons: Tensor, other: Tensor, share: float) -> Tensor:
    """Cross-entropy with smoothing, mean over images; of a blend, by the shares of its parts.

    Args:
        cosines: [N, persons].
        persons: class of each image, [N].
        other: class of the image blended into it, [N].
        share: of the first.
    """
    first = F.cross_entropy(cosines, persons, label_smoothing=_SMOOTHING)
    if share == 1:
        return first
    return share * first + (1 - share) * F.cross_entropy(cosines, other, label_smoothing=_SMOOTHING)


def person_classes(persons: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Persons numbered from 0 without gaps, [N] -> [N]."""
    classes: npt.NDArray[np.int64] = np.unique(persons, return_inverse=True)[1].astype(np.int64)
    return classes
