"""A model that means the same and is hostile to INT8: one layer with wild channel ranges."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper


def made_hostile(model: onnx.ModelProto, factor: float = 1000.0) -> tuple[onnx.ModelProto, str]:
    """Blow up one channel between two convolutions, and take it back in the second.

    Between a bottleneck's linear end and the next block there is no activation, so the function
    stays the same; but the tensor between has one channel a thousand times as wide as the rest.

    Returns:
        The model, and the name of the convolution that reads the tensor.
    """
    own = onnx.ModelProto()
    own.CopyFrom(model)
    nodes = list(own.graph.node)
    weights = {entry.name: entry for entry in own.graph.initializer}
    for first in nodes:
        readers = [node for node in nodes if first.output[0] in node.input]
        if first.op_type != "Conv" or len(readers) != 1 or readers[0].op_type != "Conv":
            continue
        second = readers[0]
        if numpy_helper.to_array(weights[second.input[1]]).shape[1] < 8:
            continue  # depthwise
        for name in first.input[1:]:
            _scale(weights[name], (0,), factor)
        _scale(weights[second.input[1]], (slice(None), 0), 1 / factor)
        return own, second.name
    raise AssertionError("no two convolutions follow each other directly")


def _scale(tensor: onnx.TensorProto, place: tuple[int | slice, ...], factor: float) -> None:
    values = numpy_helper.to_array(tensor).copy()
    values[place] *= np.float32(factor)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
