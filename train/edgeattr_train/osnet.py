"""OSNet as Open Model Zoo trained it for person re-identification (0277, 0286, 0287).

Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019. The zoo's
variants normalise each input image and the first convolution per instance, and gate the second
block of each stage by a linear context transform (Ruan et al., AAAI 2020): the pooled channels,
normalised in groups, instead of two small convolutions. The published networks have their batch
norms folded into the convolutions, and so has this one: its features are theirs to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edgeattr.core.errors import InputError, importing
from edgeattr_train.backbones import Backbone

_WIDTHS = {  # channels of the first convolution and of the three stages; GMAC at 256x128
    "osnet_0277": (64, 256, 384, 512),  # 2.0 M parameters, 1.0 GMAC
    "osnet_0286": (48, 192, 288, 384),  # 1.2 M parameters, 0.6 GMAC
    "osnet_0287": (32, 128, 192, 256),  # 0.5 M parameters, 0.28 GMAC
}
_GATE_GROUPS = (16, 8)  # of the linear context transform: the first that divides the channels
_REDUCTION = 16  # of the squeeze gate
_MIDDLE = 4  # a block works on a quarter of its channels


class OSNet(Backbone):
    """OSNet up to its last feature map: k1 at stride 8, k2 at stride 16.

    Args:
        name: ``osnet_0277`` for ``person-reidentification-retail-0277``, and so on.
    """

    strides = (8, 16)
    mean = (103.5, 116.25, 123.7)
    std = (57.37, 57.14, 58.41)

    def __init__(self, name: str) -> None:
        super().__init__()
        stem, first, second, third = _WIDTHS[name]
        self.channels = (second, third)
        self.input_norm = nn.InstanceNorm2d(3, affine=True)
        self.stem = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.stem_norm = nn.InstanceNorm2d(stem, affine=True)
        self.stem_pool = nn.MaxPool2d(3, 2, 1)
        self.stage1 = _stage(stem, first)
        self.stage2 = _stage(first, second)
        self.stage3 = _stage(second, third)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem_norm(self.stem(self.input_norm(x))).relu()
        k1 = self.stage2(self.pool(self.stage1(self.stem_pool(x))))
        return k1, self.stage3(self.pool(k1))

    def load_weights(self, path: Path) -> None:
        """Take the weights of the zoo's OpenVINO IR (``.xml`` beside its ``.bin``)."""
        with importing("openvino", extra="convert", purpose="read an IR"):
            import openvino
        try:
            _assign(self, openvino.Core().read_model(path).get_ordered_ops())
        except (RuntimeError, ValueError, StopIteration) as error:
            raise InputError(f"{path}: not the IR of this network ({error})") from error
        with torch.no_grad():  # the zoo feeds red-green-blue
            self.stem.weight.copy_(self.stem.weight.flip(1))
            for parameter in (self.input_norm.weight, self.input_norm.bias):
                parameter.copy_(parameter.flip(0))


def _light_convolution(channels: int) -> nn.Sequential:
    """A pointwise and a depthwise convolution: the paper's light 3x3."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
        nn.ReLU(inplace=True),
    )


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True))


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    middle = outputs // _MIDDLE
    groups = next(count for count in _GATE_GROUPS if middle % count == 0)
    return nn.Sequential(
        _OmniScaleBlock(inputs, outputs, _squeeze_gate(middle)),
        _OmniScaleBlock(outputs, outputs, nn.GroupNorm(groups, middle)),
        _convolution(outputs, outputs),
    )


def _squeeze_gate(channels: int) -> nn.Sequential:
    hidden = channels // _REDUCTION
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, channels, 1)
    )


class _OmniScaleBlock(nn.Module):
    """Four streams of one to four light convolutions, gated by one shared gate and summed."""

    def __init__(self, inputs: int, outputs: int, gate: nn.Module) -> None:
        super().__init__()
        middle = outputs // _MIDDLE
        self.reduce = _convolution(inputs, middle)
        self.streams = nn.ModuleList(
            nn.Sequential(*(_light_convolution(middle) for _ in range(depth)))
            for depth in (1, 2, 3, 4)
        )
        self.gate = gate
        self.expand = nn.Conv2d(middle, outputs, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        total: Tensor | float = 0.0
        for stream in self.streams:
            scale = stream(reduced)
            total = total + scale * self.gate(scale.mean((2, 3), keepdim=True)).sigmoid()
        result: Tensor = (self.expand(total) + self.shortcut(x)).relu()
        return result


@torch.no_grad()
def _assign(network: OSNet, operations: list[Any]) -> None:
    """Give convolutions and norms their constants, in the order in which both sides run them."""
    found = _constants(operations)
    for layer in _in_order(network):
        kind, weight, bias = next(found)
        expected = "convolution" if isinstance(layer, nn.Conv2d) else "MVN"
        if kind != expected or weight.size != layer.weight.numel():
            raise ValueError(f"{kind} of {weight.shape} where {layer} was expected")
        if (bias is None) != (layer.bias is None):
            raise ValueError(f"{layer} and its constants differ in having a bias")
        layer.weight.copy_(torch.from_numpy(weight).reshape(layer.weight.shape))
        if layer.bias is not None and bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))


_Layer: TypeAlias = nn.Conv2d | nn.InstanceNorm2d | nn.GroupNorm


def _in_order(network: OSNet) -> list[_Layer]:
    """Layers with weights, in the order in which they first run."""
    order: dict[_Layer, None] = {}
    layers = [module for module in network.modules() if isinstance(module, _Layer)]
    hooks = [
        layer.register_forward_pre_hook(lambda module, _: order.setdefault(module))
        for layer in layers
    ]
    network.eval()(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    network.train()
    return list(order)


def _constants(
    operations: list[Any],
) -> Iterator[tuple[str, npt.NDArray[np.float32], npt.NDArray[np.float32] | None]]:
    """Weight and bias of each convolution and normalisation, shared ones once."""
    seen = set()
    for operation in operations:
        kind = operation.get_type_name()
        if kind.endswith("Convolution"):
            weight, bias = _constant(operation, 1), _added(operation)
            kind = "convolution"
        elif kind == "MVN":
            scaled = _next(operation, "Multiply")
            weight, bias = _constant(scaled, 1), _added(scaled)
        else:
            continue
        content = weight.tobytes()  # the gates' constants are repeated under other names
        if content not in seen:
            seen.add(content)
            yield kind, weight, bias


def _next(operation: Any, kind: str) -> Any:
    """The operation of a kind that consumes this one's output, reshapes skipped."""
    for target in operation.output(0).get_target_inputs():
        node = target.get_node()
        if node.get_type_name() == kind:
            return node
        if node.get_type_name() == "Reshape":
            return _next(node, kind)
    return None


def _added(operation: Any) -> npt.NDArray[np.float32] | None:
    following = _next(operation, "Add")
    return None if following is None else _constant(following, 1).ravel()


def _constant(operation: Any, port: int) -> npt.NDArray[np.float32]:
    node = operation.input(port).get_source_output().get_node()
    while node.get_type_name() == "Convert":
        node = node.input(0).get_source_output().get_node()
    if node.get_type_name() != "Constant":
        raise ValueError(f"{operation.get_friendly_name()} has no constant at input {port}")
    values: npt.NDArray[np.float32] = node.data.astype(np.float32)
    return values
