"""The pieces that heads and backbones are built of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STRIPS = 4  # horizontal, of a person about head, chest, legs and feet


def convolution(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU; the map keeps its size."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision widened; float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class StripPooling(nn.Module):
    """Mean and maximum of both maps, and the mean of horizontal strips of the second.

    Each is normalised over the data: means vary by hundredths where maxima vary by units.

    Args:
        channels: of the two maps.
    """

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        first, second = channels
        self.features = 2 * first + (2 + _STRIPS) * second
        self.norm = nn.BatchNorm1d(self.features)

    def forward(self, k1: Tensor, k2: Tensor) -> Tensor:
        """[N, channels, h, w] each -> [N, features]."""
        strips = F.adaptive_avg_pool2d(k2, (_STRIPS, 1)).flatten(1)
        whole = [pooled for map_ in (k1, k2) for pooled in (map_.mean((2, 3)), map_.amax((2, 3)))]
        normalised: Tensor = self.norm(at_least_float32(torch.cat([*whole, strips], 1)))
        return normalised
