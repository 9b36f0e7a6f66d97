"""YOLOX-nano (Ge et al. 2021, arXiv 2107.08430) for one class.

Depthwise-separable CSPDarknet, a path-aggregation pyramid of three levels (strides 8, 16, 32) and a
decoupled anchor-free head. Every convolution is followed by a batch norm and SiLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

_HEAD_WIDTH = 64  # channels of the head
MAP_WIDTHS = (64, 64, 128, 256)  # channels of `YoloxNano.maps`


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
        width = _HEAD_WIDTH
        self.stem = Block(channels_in, width)
        self.person_convs = nn.Sequential(_separable(width, width, 1), _separable(width, width, 1))
        self.person = nn.Conv2d(width, 1, 1)
        self.box_convs = nn.Sequential(_separable(width, width, 1), _separable(width, width, 1))
        self.box = nn.Conv2d(width, 4, 1)
        self.objectness = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, 6, H, W]: box (4, encoded), objectness and person logits."""
        x = self.stem(x)
        person = self.person(self.person_convs(x))
        features = self.box_convs(x)
        return torch.cat((self.box(features), self.objectness(features), person), 1)


class YoloxNano(nn.Module):
    """The teacher; takes and answers what `network.PersonDetector` does."""

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
        self.head = nn.ModuleList(_HeadLevel(channels) for channels in MAP_WIDTHS[1:])

    def maps(self, x: Tensor) -> list[Tensor]:
        """The backbone's map at stride 8, then the three that the head reads: strides 8, 16, 32."""
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


def weights_from_yolox(path: Path) -> YoloxNano:
    """YOLOX-nano's ONNX export as a YoloxNano in evaluation mode.

    The export's batch norms are folded; ours start as the identity plus the folded bias. Of the 80
    classes the first, the person, stays.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    arrays = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    network = YoloxNano().eval()
    order: list[tuple[nn.Module, nn.Conv2d]] = []  # modules with a convolution, as they run
    for module in network.modules():
        conv = getattr(module, "conv", module if isinstance(module, nn.Conv2d) else None)
        if conv is not None and not any(conv is seen for _, seen in order):
            conv.register_forward_hook(lambda c, *_, m=module: order_seen.append((m, c)))
            order.append((module, conv))
    order_seen: list[tuple[nn.Module, nn.Conv2d]] = []
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
        for (module, conv), node in zip(order_seen, nodes, strict=True):
            weight, bias = arrays[node.input[1]], arrays[node.input[2]]
            if conv.kernel_size == (6, 6):
                weight = _six_from_focus(weight)
            conv.weight.copy_(weight[: conv.out_channels])
            if conv.bias is not None:
                conv.bias.copy_(bias[: conv.out_channels])
            else:
                module.bn.weight.fill_((1 + module.bn.eps) ** 0.5)  # type: ignore[union-attr,operator]
                module.bn.bias.copy_(bias)  # type: ignore[union-attr,operator]
    for _, conv in order:
        conv._forward_hooks.clear()
    return network


def _six_from_focus(weight: Tensor) -> Tensor:
    """3x3 weights over a picture sliced into four -> 6x6 weights of stride 2 over the picture.

    The slices are, in this order, the even rows and columns, the odd rows, the odd columns, both.
    """
    out = weight.new_zeros(weight.shape[0], 3, 6, 6)
    for index, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        out[:, :, row::2, column::2] = weight[:, 3 * index : 3 * index + 3]
    return out
