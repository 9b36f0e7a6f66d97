"""Explicit Q/DQ: a float ONNX model with its convolutions quantized, as an engine wants it."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError
from edgeattr_convert.quiet import quiet

if TYPE_CHECKING:
    import onnx

_BACKBONE = "model.backbone."  # what the names of its weights begin with
_GATE = ".gate."  # on pooled channels: next to no arithmetic, and it scales whole maps


@dataclass(frozen=True, kw_only=True)
class QdqScheme:
    """How an engine wants its Q/DQ."""

    name: str
    operators: tuple[str, ...]  # what is quantized
    symmetric: bool  # activations: int8 around zero, else uint8 with a zero point
    depthwise: bool = True  # whether depthwise convolutions are quantized


CPU = QdqScheme(name="cpu", operators=("Conv", "Add"), symmetric=False)
"""ONNX Runtime. After a ReLU6 unsigned codes keep all 8 bits."""

OPENVINO = QdqScheme(name="openvino", operators=("Conv",), symmetric=False, depthwise=False)
"""OpenVINO on CPUs. Its depthwise convolutions take twice as long in INT8 as in bfloat16."""

TENSORRT = QdqScheme(name="tensorrt", operators=("Conv",), symmetric=True)
"""TensorRT takes zero points of 0 only, and fuses what lies between a convolution and the next Q
(Developer Guide, "Explicit Quantization"; the same in 8.6, 10 and 11)."""


def head(model: onnx.ModelProto, scheme: QdqScheme) -> list[str]:
    """Names of the nodes that stay in float: gates, and all that follows the backbone.

    So do depthwise convolutions, if the scheme leaves them.

    Raises:
        InputError: edgeattr did not write the model.
    """
    nodes = list(model.graph.node)
    weighed = [
        index
        for index, node in enumerate(nodes)
        if node.op_type == "Conv" and node.input[1].startswith(_BACKBONE)
    ]
    if not weighed:
        raise InputError("this ONNX model was not written by edgeattr: it has no backbone")
    apart = [
        nodes[index].name
        for index in weighed
        if _GATE in nodes[index].input[1] or not (scheme.depthwise or _groups(nodes[index]) == 1)
    ]
    return [*apart, *(node.name for node in nodes[weighed[-1] + 1 :])]


def convolutions(model: onnx.ModelProto, scheme: QdqScheme) -> list[onnx.NodeProto]:
    """The convolutions that a scheme quantizes, in the order of the graph."""
    apart = set(head(model, scheme))
    return [n for n in model.graph.node if n.op_type == "Conv" and n.name not in apart]


def activations(model: onnx.ModelProto, scheme: QdqScheme) -> list[str]:
    """Tensors that are quantized: what goes into the body's operators.

    Never what comes out of them: engines fuse a convolution with what follows up to the next Q by
    themselves, and ONNX Runtime answers wrongly where a Q stands before a clipping and one of the
    convolutions around it stays in float.
    """
    weights = {entry.name for entry in model.graph.initializer}
    apart = set(head(model, scheme))
    names: dict[str, None] = {}
    for node in model.graph.node:
        if node.op_type in scheme.operators and node.name not in apart:
            for name in node.input:
                if name and name not in weights:
                    names[name] = None
    return list(names)


def quantized(
    model: onnx.ModelProto,
    ranges: Mapping[str, tuple[float, float]],
    in_float: Sequence[str],
    scheme: QdqScheme,
    crop: npt.NDArray[np.uint8],
) -> bytes:
    """Insert Q/DQ; weights per channel.

    Args:
        model: float32; left as it is.
        ranges: of the activations.
        in_float: nodes that stay as they are.
        scheme: what the engine wants.
        crop: one crop, uint8 [1, H, W, 3]; the library wants to see one.

    Returns:
        The content of the ONNX file.
    """
    overrides = {
        name: [{"rmin": np.float32(low), "rmax": np.float32(high)}]
        for name, (low, high) in ranges.items()
    }
    return with_qdq(
        copy.deepcopy(model),  # the library changes what it is given
        [{"crops": crop}],
        in_float,
        operators=scheme.operators,
        symmetric=scheme.symmetric,
        overrides=overrides,
    )


def with_qdq(
    model: onnx.ModelProto | Path,
    feeds: Iterable[Mapping[str, npt.NDArray[np.uint8]]],
    in_float: Sequence[str],
    *,
    operators: Sequence[str] = ("Conv",),
    symmetric: bool,
    overrides: Mapping[str, Any] = MappingProxyType({}),
) -> bytes:
    """Have ONNX Runtime insert Q/DQ before these operators, and never behind them.

    Engines fuse a convolution with what follows up to the next Q by themselves.

    Args:
        model: float32.
        feeds: inputs of runs, to calibrate on; ranges are the least and greatest value.
        in_float: nodes that stay as they are.
        operators: what is quantized.
        symmetric: activations as int8 around zero, and biases in float, as TensorRT asks for; else
            as uint8 with a zero point.
        overrides: of ranges, in the library's form.

    Returns:
        The content of the ONNX file.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    extra: dict[str, object] = {
        "ActivationSymmetric": symmetric,
        "QuantizeBias": not symmetric,
        "OpTypesToExcludeOutputQuantization": list(operators),
    }
    if overrides:
        extra["TensorQuantOverrides"] = dict(overrides)
    with tempfile.TemporaryDirectory() as folder, quiet():
        target = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            str(target),
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(operators),
            nodes_to_exclude=list(in_float),
            extra_options=extra,
        )
        return target.read_bytes()


def _groups(convolution: onnx.NodeProto) -> int:
    return next((entry.i for entry in convolution.attribute if entry.name == "group"), 1)


class _Reader:
    """Calibration data in the form that ONNX Runtime's quantizer asks for."""

    def __init__(self, feeds: Iterable[Mapping[str, npt.NDArray[np.uint8]]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Mapping[str, npt.NDArray[np.uint8]] | None:
        return next(self._feeds, None)
