"""INT8 by post-training quantization: explicit Q/DQ, per-channel weights, what hurts in float.

Three things make the difference to the plain way:

* ranges of activations minimise the squared quantization error on the calibration crops, instead
  of spanning everything that was ever seen;
* the heads (spatial softmax, confidences, score average) stay in float: little arithmetic, much
  damage;
* so do the first few convolutions, as long as that still cuts the error: their channels differ
  wildly in range, and their few channels leave no redundancy to average the rounding out. On
  CPUs they are faster in float as well.

The error is that of the logits, measured in the optimised session that will serve, never in a
simulation of it. Activations are unsigned with a zero point: after a ReLU6 that keeps all 8 bits
and lets the engine drop the clipping. Engines that want symmetric ones can rewrite the scales.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeattr.errors import InputError, MissingDependency
from edgeattr.files import write_atomically

if TYPE_CHECKING:
    import onnx

__all__ = ["Quantized", "int8_from_onnx"]

_BATCH = 32  # crops a calibration run
_BINS = 4096  # of an activation's histogram
_LEVELS = 255  # steps of an unsigned 8-bit integer
_SHRINKS = np.linspace(0.3, 1.0, 36)  # shares of the seen range that are tried
_FIRST_IN_FLOAT = (0, 3, 5, 8)  # how many leading convolutions may stay in float
_WORTH_IT = 2 / 3  # what is left of the error must be no more than this to keep more in float
_QUANTIZED = ("Conv", "Add", "Clip", "Relu")
_HEAD_STARTS_AT = "ReduceMean"  # the pooling before the primary classifier


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """What quantization did."""

    error: float  # RMS change of the logits on the calibration crops
    float_convolutions: int  # leading convolutions that stayed in float
    convolutions: int  # all convolutions of the body


def int8_from_onnx(
    source: Path,
    target: Path,
    crops: npt.NDArray[np.uint8],
    *,
    report: Callable[[str], None] = lambda text: None,
) -> Quantized:
    """Quantize a float model.

    Args:
        source: float32 ONNX, input ``crops``, output ``logits``, batch norms folded.
        target: the INT8 ONNX file to write.
        crops: calibration images, uint8 [n, H, W, 3].
        report: told what is being done.

    Returns:
        What was done, and how much the logits changed.

    Raises:
        InputError: no crops, or the model has nothing to quantize.
        MissingDependency: onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependency("onnx", extra="convert", purpose="quantize a model") from error
    if len(crops) == 0:
        raise InputError("INT8 needs calibration crops, and there are none")
    model = onnx.load(str(source))
    head = _head_nodes(model)
    convolutions = [
        node.name for node in model.graph.node if node.op_type == "Conv" and node.name not in head
    ]
    report("ranges of the activations")
    ranges = _activation_ranges(model, crops, head)
    truth = _logits(source, crops)
    best: tuple[float, int, bytes] | None = None
    for first in _FIRST_IN_FLOAT:
        content = _quantized(model, ranges, [*head, *convolutions[:first]], crops)
        change = float(np.sqrt(np.mean((_logits(content, crops) - truth) ** 2)))
        report(f"first {first} convolutions in float: logits off by {change:.3f} (RMS)")
        if best and change > _WORTH_IT * best[0]:
            break
        best = change, first, content
    assert best is not None
    write_atomically(target, best[2])
    return Quantized(error=best[0], float_convolutions=best[1], convolutions=len(convolutions))


def _head_nodes(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes from the pooling on, which stay in float."""
    nodes = list(model.graph.node)
    starts = [i for i, node in enumerate(nodes) if node.op_type == _HEAD_STARTS_AT]
    if not starts:
        raise InputError("this ONNX model was not written by edgeattr: it has no pooled classifier")
    return [node.name for node in nodes[starts[0] :]]


def _body_tensors(model: onnx.ModelProto, head: Sequence[str]) -> list[str]:
    """Activations that are quantized: inputs and outputs of the body's nodes."""
    weights = {entry.name for entry in model.graph.initializer}
    names: dict[str, None] = {}
    for node in model.graph.node:
        if node.op_type in _QUANTIZED and node.name not in head:
            for name in (*node.input, *node.output):
                if name and name not in weights:
                    names[name] = None
    return list(names)


def _activation_ranges(
    model: onnx.ModelProto, crops: npt.NDArray[np.uint8], head: Sequence[str]
) -> dict[str, tuple[float, float]]:
    names = _body_tensors(model, head)
    lows, highs = np.zeros(len(names)), np.zeros(len(names))  # zero is always inside
    for values in _run(model, names, crops):
        lows = np.minimum(lows, [value.min() for value in values])
        highs = np.maximum(highs, [value.max() for value in values])
    histograms = np.zeros((len(names), _BINS))
    for values in _run(model, names, crops):
        for row, value in enumerate(values):
            span = (float(lows[row]), float(highs[row]) + 1e-9)
            histograms[row] += np.histogram(value, bins=_BINS, range=span)[0]
    return {
        name: _best_range(float(lows[row]), float(highs[row]), histograms[row])
        for row, name in enumerate(names)
    }


def _best_range(low: float, high: float, counts: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The part of low <= 0 <= high that minimises the expected squared error of 8-bit rounding."""
    centres = low + (np.arange(_BINS) + 0.5) * (high - low) / _BINS
    best, best_error = (low, high), np.inf
    for share_low in _SHRINKS if low < 0 else _SHRINKS[-1:]:
        for share_high in _SHRINKS if high > 0 else _SHRINKS[-1:]:
            bottom, top = low * share_low, high * share_high
            step = max(top - bottom, 1e-12) / _LEVELS
            clipped = np.clip(centres, bottom, top)
            squared = (centres - clipped) ** 2 + np.where(clipped == centres, step**2 / 12, 0.0)
            error = float((counts * squared).sum())
            if error < best_error:
                best, best_error = (bottom, top), error
    return best


def _run(
    model: onnx.ModelProto, names: Sequence[str], crops: npt.NDArray[np.uint8]
) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Yield the named tensors for each batch of crops, computed without graph optimisation."""
    import onnx
    import onnxruntime

    exposed = copy.deepcopy(model)
    del exposed.graph.output[:]
    for name in names:
        exposed.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        exposed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for start in range(0, len(crops), _BATCH):
        yield session.run(list(names), {"crops": crops[start : start + _BATCH]})


def _quantized(
    model: onnx.ModelProto,
    ranges: dict[str, tuple[float, float]],
    in_float: Sequence[str],
    crops: npt.NDArray[np.uint8],
) -> bytes:
    """The Q/DQ model, as a file's content."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    overrides = {
        name: [{"rmin": np.float32(low), "rmax": np.float32(high)}]
        for name, (low, high) in ranges.items()
    }
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it advises a preprocessing that has been done already
    try:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "int8.onnx"
            quantize_static(
                copy.deepcopy(model),  # it changes what it is given
                str(target),
                _Reader(crops[:_BATCH]),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(_QUANTIZED),
                nodes_to_exclude=list(in_float),
                extra_options={"TensorQuantOverrides": overrides},
            )
            return target.read_bytes()
    finally:
        logger.setLevel(level)


def _logits(model: Path | bytes, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    from edgeattr_runtimes.onnx_engine import open_session

    session = open_session(model if isinstance(model, bytes) else str(model))
    parts = [
        session.run(["logits"], {"crops": crops[start : start + _BATCH]})[0]
        for start in range(0, len(crops), _BATCH)
    ]
    return np.concatenate(parts)


class _Reader:
    """Calibration data in the form that ONNX Runtime's quantizer asks for."""

    def __init__(self, crops: npt.NDArray[np.uint8]) -> None:
        self._batches = iter([crops])

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        crops = next(self._batches, None)
        return None if crops is None else {"crops": crops}
