"""A person detector of plain convolutions and ReLU, made for INT8 on processors.

Strided 3x3 convolutions with residual ones behind them, down to stride 32; a top-down pyramid of
three levels; an anchor-free head that answers as YOLOX's does (Ge et al. 2021, arXiv 2107.08430).
Folded for export, every convolution with all that belongs to it is one convolution and a ReLU.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

STRIDES = (8, 16, 32)  # input pixels per cell of each level of the head
_WIDTHS = (16, 32, 64, 96, 160)  # channels of the backbone at strides 2, 4, 8, 16, 32
_DEPTHS = (0, 0, 1, 2, 2)  # residual convolutions at each of them
PYRAMID = 64  # channels of the pyramid and of the head
_PRIOR_LOGIT = -4.6  # of both scores before training: probability 0.01


class Convolution(nn.Module):
    """Convolution, batch norm, ReLU; if residual, the input is added before the ReLU."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.03)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn(self.conv(x))
        return functional.relu(x + y if self.residual else y)

    def fold(self) -> None:
        """Take the batch norm, and what the residual adds, into the convolution's weights."""
        assert isinstance(self.bn, nn.BatchNorm2d)
        self.conv = fuse_conv_bn_eval(self.conv, self.bn)
        self.bn = nn.Identity()
        if self.residual:
            weight, middle = self.conv.weight.data, self.conv.kernel_size[0] // 2
            weight[:, :, middle, middle] += torch.eye(len(weight))
            self.residual = False


def _residuals(channels: int, count: int) -> list[Convolution]:
    return [Convolution(channels, channels, residual=True) for _ in range(count)]


class _HeadLevel(nn.Module):
    """Scores and boxes of one level; the two scores are multiplied later."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Convolution(PYRAMID, PYRAMID, residual=True)
        self.second = Convolution(PYRAMID, PYRAMID, residual=True)
        self.answer = nn.Conv2d(PYRAMID, 6, 1)  # box (4, encoded), objectness and person logits
        assert self.answer.bias is not None
        nn.init.constant_(self.answer.bias[4:], _PRIOR_LOGIT)

    def begin(self, x: Tensor) -> Tensor:
        """The map that is taught by the teacher's."""
        return cast(Tensor, self.first(x))

    def end(self, x: Tensor) -> Tensor:
        """[N, 64, H, W] -> [N, 6, H, W]."""
        return cast(Tensor, self.answer(self.second(x)))


class PersonDetector(nn.Module):
    """Dense person detector.

    Takes blue-green-red pixels of 0..255, [N, 3, H, W], H and W multiples of 32. Returns the
    encoded head of every level, [N, 6, H / stride, W / stride]; `decode` turns it into boxes and
    scores.
    """

    def __init__(self) -> None:
        super().__init__()
        stages, channels = [], 3
        for width, depth in zip(_WIDTHS, _DEPTHS, strict=True):
            first = Convolution(channels, width, stride=2)
            stages.append(nn.Sequential(first, *_residuals(width, depth)))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.laterals = nn.ModuleList(Convolution(width, PYRAMID, 1) for width in _WIDTHS[2:])
        self.merge4 = Convolution(PYRAMID, PYRAMID, residual=True)
        self.head = nn.ModuleList(_HeadLevel() for _ in STRIDES)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The backbone's map at stride 8, then the head's first maps at strides 8, 16, 32.

        Each has 64 channels.
        """
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        c3, c4, c5 = (lateral(map_) for lateral, map_ in zip(self.laterals, found[2:], strict=True))
        p4 = self.merge4(c4 + functional.interpolate(c5, scale_factor=2.0, mode="nearest"))
        p3 = c3 + functional.interpolate(p4, scale_factor=2.0, mode="nearest")
        return [found[2], *map(_HeadLevel.begin, self._levels(), (p3, p4, c5))]

    def heads(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The head's answers from the last three of :meth:`maps`."""
        return list(map(_HeadLevel.end, self._levels(), maps[1:]))

    def _levels(self) -> list[_HeadLevel]:
        return cast("list[_HeadLevel]", list(self.head))

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.heads(self.maps(x))

    def folded(self) -> PersonDetector:
        """A copy in evaluation mode, without batch norms and additions but the pyramid's."""
        own = copy.deepcopy(self).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        for module in own.modules():
            if isinstance(module, Convolution):
                module.fold()
        return own  # type: ignore[no-any-return]


def cells_of(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Left-top corner of every cell, [K, 2] in input pixels (x, y), and its stride, [K]."""
    corners, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(
            torch.arange(height // stride), torch.arange(width // stride), indexing="ij"
        )
        corners.append(torch.stack((x, y), -1).reshape(-1, 2) * float(stride))
        strides.append(torch.full((y.numel(),), float(stride)))
    return torch.cat(corners), torch.cat(strides)


def cells_under(levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """:func:`cells_of` the picture that a head's levels are of, beside them."""
    height, width = (side * STRIDES[0] for side in levels[0].shape[2:])
    corners, strides = cells_of(height, width)
    return corners.to(levels[0]), strides.to(levels[0])


def decode(levels: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [N, K, 4] (centre x, centre y, width, height in input pixels), objectness and person
    logits [N, K]."""
    centres, sizes, objectness, person = decode_rows(levels)
    return torch.cat((centres, sizes), 1).transpose(1, 2), objectness, person


def decode_rows(levels: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Centres and sizes [N, 2, K], objectness and person logits [N, K], for all cells in a row.

    As in YOLOX: centre = (cell + offset) * stride, size = exp(encoded) * stride.
    """
    rows = torch.cat([level.flatten(2) for level in levels], 2)
    corners, strides = cells_under(levels)
    centres = rows[:, :2] * strides + corners.T
    sizes = rows[:, 2:4].clamp(max=6.0).exp() * strides
    return centres, sizes, rows[:, 4], rows[:, 5]
