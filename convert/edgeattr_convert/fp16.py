"""ONNX float32 to float16: weights and arithmetic in half precision, attention in single."""

from __future__ import annotations

from pathlib import Path

from edgeattr.core.errors import importing
from edgeattr.core.files import write_atomically
from edgeattr_convert.quiet import quiet

_IN_FLOAT = ("Softmax", "Sigmoid", "ReduceSum", "Cast", "Sub", "Div")  # sums and 0..255 pixels


def fp16_from_onnx(source: Path, target: Path) -> None:
    """Convert; inputs and outputs keep their types.

    Args:
        source: float32 ONNX, input ``crops``, output ``logits``.
        target: the float16 ONNX file to write.

    Raises:
        MissingDependency: onnx is not installed.
    """
    with importing("onnx", extra="convert", purpose="convert a model to FP16"):
        import onnx
        from onnxruntime.transformers.float16 import (
            DEFAULT_OP_BLOCK_LIST,
            convert_float_to_float16,
        )
        from onnxruntime.transformers.onnx_model import OnnxModel
    with quiet():  # weights too small for half precision become zero
        model = convert_float_to_float16(
            onnx.load(str(source)),
            keep_io_types=True,
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, *_IN_FLOAT],
        )
    OnnxModel.graph_topological_sort(model.graph)  # it appends its casts at the end,
    del model.graph.value_info[:]  # and leaves the types from before
    onnx.checker.check_model(model, full_check=True)
    write_atomically(target, model.SerializeToString())
