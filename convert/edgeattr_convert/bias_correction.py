"""What rounding to 8 bits does to one convolution, worked out in float."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeattr_convert.qdq import QdqScheme

if TYPE_CHECKING:
    import onnx

_STEPS = 127  # of a signed 8-bit weight on either side of zero


def rounded_weight(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A weight [out, in, h, w] after 8 bits per output channel, symmetric."""
    largest = np.abs(weight).max((1, 2, 3), keepdims=True)
    step = np.maximum(largest, 1e-12) / _STEPS
    rounded: npt.NDArray[np.float32] = (np.rint(weight / step) * step).astype(np.float32)
    return rounded


def bias_corrected(
    model: onnx.ModelProto,
    layers: Sequence[str],
    means: Mapping[str, npt.NDArray[np.float64]],
) -> onnx.ModelProto:
    """A copy whose biases make up for the rounded weights on average.

    A convolution with rounded weights is off by E[(W_q - W) x] per output channel (Nagel et al.,
    "Data-free quantization", ICCV 2019, section 4.2), which is taken off its bias.

    Args:
        model: float32.
        layers: names of the convolutions to correct; those without a bias stay as they are.
        means: mean of each input channel of each input tensor, [channels].
    """
    from onnx import numpy_helper

    copied = copy.deepcopy(model)
    weights = {entry.name: entry for entry in copied.graph.initializer}
    for node in copied.graph.node:
        if node.name not in layers or len(node.input) < 3 or node.input[0] not in means:
            continue
        weight = numpy_helper.to_array(weights[node.input[1]])
        change = (rounded_weight(weight) - weight).sum((2, 3), dtype=np.float64)  # [out, in/groups]
        groups = means[node.input[0]].size // change.shape[1]
        mean = means[node.input[0]].reshape(groups, -1).repeat(len(change) // groups, 0)
        entry = weights[node.input[2]]
        bias = numpy_helper.to_array(entry) - (change * mean).sum(1)
        entry.CopyFrom(numpy_helper.from_array(bias.astype(np.float32), entry.name))
    return copied


def quantized_alone(
    model: onnx.ModelProto,
    layer: str,
    ranges: Mapping[str, tuple[float, float]],
    scheme: QdqScheme,
) -> onnx.ModelProto:
    """A copy in which one convolution's input and weight are rounded and all else is float."""
    from onnx import helper, numpy_helper

    copied = copy.deepcopy(model)
    place = next(i for i, node in enumerate(copied.graph.node) if node.name == layer)
    node = copied.graph.node[place]
    low, high = ranges.get(node.input[0], (0.0, 0.0))
    if high > low:
        step = np.float32((high - low) / (2 * _STEPS if scheme.symmetric else 255))
        zero = np.int8(0) if scheme.symmetric else np.uint8(np.clip(np.rint(-low / step), 0, 255))
        names = [f"alone_{part}" for part in ("step", "zero", "codes", "values")]
        for name, value in zip(names[:2], (step, zero), strict=True):
            copied.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        pair = (
            helper.make_node("QuantizeLinear", [node.input[0], *names[:2]], [names[2]]),
            helper.make_node("DequantizeLinear", [names[2], *names[:2]], [names[3]]),
        )
        node.input[0] = names[3]
        for offset, inserted in enumerate(pair):
            copied.graph.node.insert(place + offset, inserted)
    weight = next(entry for entry in copied.graph.initializer if entry.name == node.input[1])
    rounded = rounded_weight(numpy_helper.to_array(weight))
    weight.CopyFrom(numpy_helper.from_array(rounded, weight.name))
    return copied
