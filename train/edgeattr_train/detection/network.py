"""YOLOX-nano (Ge et al. 2021, arXiv 2107.08430) for one class.

Depthwise-separable CSPDarknet, a path-aggregation pyramid of three levels (strides 8, 16, 32) and a
decoupled anchor-free head. Every convolution is followed by a batch norm and SiLU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)  # input pixels per cell of each level of the head
HEAD_WIDTH = 64  # channels of the head
_PRIOR = 0.01  # initial probability of the two score branches of a head without weights


class Block(nn.Module):
    """Convolution, batch norm, activation; `groups=channels` makes it depthwise."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))  # type: ignore[no-any-return]


def _separable(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    """A depthwise 3x3 convolution and a pointwise one."""
    return nn.Sequential(
        Block(channels_in, channels_in, 3, stride, groups=channels_in),
        Block(channels_in, channels_out),
    )


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.reduce = Block(channels, channels)
        self.separable = _separable(channels, channels, 1)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.separable(self.reduce(x))
        return x + y if self.shortcut else y  # type: ignore[no-any-return]


class _CrossStage(nn.Module):
    """Cross-stage partial layer: half of the channels go through `depth` bottlenecks."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        depth: int,
        shortcut: bool,
    ) -> None:
        super().__init__()
        hidden = channels_out // 2
        self.through = Block(channels_in, hidden)
        self.past = Block(channels_in, hidden)
        self.bottlenecks = nn.Sequential(*(_Bottleneck(hidden, shortcut) for _ in range(depth)))
        self.merge = Block(2 * hidden, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        through, past = self.through(x), self.past(x)
        return self.merge(torch.cat((self.bottlenecks(through), past), 1))  # type: ignore[no-any-return]


class _PyramidPooling(nn.Module):
    """Maximum over windows of 5, 9 and 13 cells beside the map itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = Block(channels, channels // 2)
        self.merge = Block(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        pooled = [functional.max_pool2d(x, size, 1, size // 2) for size in (5, 9, 13)]
        return self.merge(torch.cat((x, *pooled), 1))  # type: ignore[no-any-return]


class _HeadLevel(nn.Module):
    """Scores and boxes of one level; the class score and the objectness are multiplied later."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        width = HEAD_WIDTH
        self.stem = Block(channels_in, width)
        self.person_convs = nn.Sequential(_separable(width, width, 1), _separable(width, width, 1))
        self.person = nn.Conv2d(width, 1, 1)
        self.box_convs = nn.Sequential(_separable(width, width, 1), _separable(width, width, 1))
        self.box = nn.Conv2d(width, 4, 1)
        self.objectness = nn.Conv2d(width, 1, 1)
        for layer in (self.person, self.objectness):
            nn.init.constant_(layer.bias, -float(torch.logit(torch.tensor(1 - _PRIOR))))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, 6, H, W]: box (4, encoded), objectness and person logits."""
        x = self.stem(x)
        person = self.person(self.person_convs(x))
        features = self.box_convs(x)
        return torch.cat((self.box(features), self.objectness(features), person), 1)


class PersonDetector(nn.Module):
    """Dense person detector.

    Takes blue-green-red pixels of 0..255, [N, 3, H, W], H and W multiples of 32. Returns the
    encoded head of every level, [N, 6, H / stride, W / stride]; `decode` turns it into boxes and
    scores.
    """

    def __init__(self) -> None:
        super().__init__()
        # YOLOX slices the picture into four and convolves 3x3; the same as one 6x6 of stride 2
        self.stem = Block(3, 16, 6, 2, padding=2)
        self.dark2 = nn.Sequential(_separable(16, 32, 2), _CrossStage(32, 32, 1, True))
        self.dark3 = nn.Sequential(_separable(32, 64, 2), _CrossStage(64, 64, 3, True))
        self.dark4 = nn.Sequential(_separable(64, 128, 2), _CrossStage(128, 128, 3, True))
        self.dark5 = nn.Sequential(
            _separable(128, 256, 2),
            _PyramidPooling(256),
            _CrossStage(256, 256, 1, False),
        )
        self.lateral5 = Block(256, 128)
        self.top_down4 = _CrossStage(256, 128, 1, False)
        self.lateral4 = Block(128, 64)
        self.top_down3 = _CrossStage(128, 64, 1, False)
        self.down3 = _separable(64, 64, 2)
        self.bottom_up4 = _CrossStage(128, 128, 1, False)
        self.down4 = _separable(128, 128, 2)
        self.bottom_up5 = _CrossStage(256, 256, 1, False)
        self.head = nn.ModuleList(_HeadLevel(c) for c in (64, 128, 256))

    def maps(self, x: Tensor) -> list[Tensor]:
        """The backbone's map at stride 8 (64 channels), then the three that the head reads: 64,
        128, 256 channels at strides 8, 16, 32."""
        c3 = self.dark3(self.dark2(self.stem(x)))
        c4 = self.dark4(c3)
        c5 = self.lateral5(self.dark5(c4))
        up = functional.interpolate(c5, scale_factor=2.0, mode="nearest")
        p4 = self.lateral4(self.top_down4(torch.cat((up, c4), 1)))
        up = functional.interpolate(p4, scale_factor=2.0, mode="nearest")
        n3 = self.top_down3(torch.cat((up, c3), 1))
        n4 = self.bottom_up4(torch.cat((self.down3(n3), p4), 1))
        n5 = self.bottom_up5(torch.cat((self.down4(n4), c5), 1))
        return [c3, n3, n4, n5]

    def heads(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The head's answers of the last three of :meth:`maps`."""
        return [level(map_) for level, map_ in zip(self.head, maps[1:], strict=True)]

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.heads(self.maps(x))


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


def decode(levels: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [N, K, 4] (centre x, centre y, width, height in input pixels), objectness and person
    logits [N, K].

    As in YOLOX: centre = (cell + offset) * stride, size = exp(encoded) * stride.
    """
    height, width = levels[0].shape[2] * STRIDES[0], levels[0].shape[3] * STRIDES[0]
    flat = torch.cat([level.flatten(2) for level in levels], 2).transpose(1, 2)
    corners, strides = (t.to(flat) for t in cells_of(height, width))
    centres = flat[..., :2] * strides[:, None] + corners
    sizes = flat[..., 2:4].clamp(max=6.0).exp() * strides[:, None]
    return torch.cat((centres, sizes), -1), flat[..., 4], flat[..., 5]
