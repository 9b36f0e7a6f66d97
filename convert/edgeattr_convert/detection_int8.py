"""INT8 of person detectors: explicit Q/DQ over the ranges that calibration frames show.

In float stay the first convolution, which reads three channels of bytes, what the last ones give,
and what decodes that: a score clipped at the calibration's best would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError, RuntimeFailure, importing
from edgeattr.core.files import write_atomically
from edgeattr_convert.qdq import with_qdq
from edgeattr_convert.quiet import quiet

if TYPE_CHECKING:
    import onnx


def unpack_weights(source: Path, target: Path) -> None:
    """Write a detector's float32 ONNX with weights that are stored packed as float32 constants.

    Raises:
        MissingDependency: onnx is not installed.
        RuntimeFailure: ONNX Runtime cannot read the file.
    """
    with importing("onnx", extra="convert", purpose="convert a model"):
        from onnxruntime.quantization.shape_inference import quant_pre_process
    try:
        with quiet():
            quant_pre_process(source, target, skip_symbolic_shape=True, skip_onnx_shape=True)
    except Exception as error:  # the library's errors share no base class
        raise RuntimeFailure(f"ONNX Runtime cannot read the detector: {error}") from error


def int8_from_detector(
    source: Path, target: Path, frames: Iterable[Image], *, symmetric: bool
) -> None:
    """Quantize the convolutions.

    Args:
        source: float32 ONNX of :func:`unpack_weights`, input ``frames``, batch norms folded.
        target: the ONNX file to write.
        frames: to calibrate on, uint8 [H, W, 3], sides multiples of the detector's stride.
        symmetric: for TensorRT; see :func:`with_qdq`.

    Raises:
        MissingDependency: onnx is not installed.
        InputError: the model has nothing to quantize.
        RuntimeFailure: ONNX Runtime cannot quantize the file.
    """
    with importing("onnx", extra="convert", purpose="quantize a model"):
        import onnx
    feeds = ({"frames": frame[None]} for frame in frames)
    try:
        content = with_qdq(source, feeds, [_first(onnx.load(source))], symmetric=symmetric)
    except (InputError, OSError):
        raise
    except Exception as error:  # the library's errors share no base class
        raise RuntimeFailure(f"ONNX Runtime cannot quantize the detector: {error}") from error
    write_atomically(target, content)


def _first(model: onnx.ModelProto) -> str:
    """Name of the first convolution.

    Raises:
        InputError: there is no other one with constant weights.
    """
    constants = {entry.name for entry in model.graph.initializer}
    first, *rest = [node for node in model.graph.node if node.op_type == "Conv"] or [None]
    if first is None or not any(node.input[1] in constants for node in rest):
        raise InputError("this detector has no convolutions with constant weights to quantize")
    return str(first.name)
