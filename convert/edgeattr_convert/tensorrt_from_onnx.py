"""ONNX prepared for TensorRT, which builds its engine of it on the device.

An engine holds for one GPU and one version of TensorRT, so what travels is ONNX: in half precision
for FP16, with explicit symmetric Q/DQ for INT8. TensorRT 8.6 reads operator sets up to 17.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeattr.core.errors import RuntimeFailure, importing
from edgeattr.core.files import write_atomically

if TYPE_CHECKING:
    import onnx

OPSET = 17  # the newest that TensorRT 8.6 knows (onnx-tensorrt's release notes); 10 and 11 read it

_IR_VERSION = 8  # of the file format that came with that operator set


def tensorrt_from_onnx(source: Path, target: Path, outputs: Sequence[str] = ("logits",)) -> None:
    """Lower a model to :data:`OPSET`, with these outputs alone.

    Args:
        source: ONNX in half precision, or with explicit symmetric Q/DQ.
        target: the ONNX file to write.
        outputs: that stay.

    Raises:
        MissingDependency: onnx is not installed.
        RuntimeFailure: the model uses what that operator set cannot say.
    """
    with importing("onnx", extra="convert", purpose="prepare a model for TensorRT"):
        import onnx
        import onnx.utils
        from onnx.version_converter import ConvertError, convert_version
    whole = onnx.load(str(source))
    model = onnx.utils.Extractor(whole).extract_model(
        [port.name for port in whole.graph.input], list(outputs)
    )
    _drop_defaults(model)
    try:
        lowered = convert_version(model, OPSET)
        lowered.ir_version = _IR_VERSION
        onnx.checker.check_model(lowered, full_check=True)
    except (ConvertError, RuntimeError, onnx.checker.ValidationError) as error:
        raise RuntimeFailure(
            f"{source.name} cannot be written in operator set {OPSET}, the newest that TensorRT "
            f"8.6 reads: {error}"
        ) from error
    write_atomically(target, lowered.SerializeToString())


def _drop_defaults(model: onnx.ModelProto) -> None:
    """Drop an attribute that older operator sets lack, where it says what they do anyway."""
    for node in model.graph.node:
        for attribute in list(node.attribute):
            if attribute.name == "noop_with_empty_axes" and not attribute.i:
                node.attribute.remove(attribute)
