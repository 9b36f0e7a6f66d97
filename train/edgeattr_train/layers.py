"""The pieces that heads and backbones are built of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["at_least_float32", "convolution"]


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
