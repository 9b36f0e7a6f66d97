"""What an engine of the make-believe GPU computes where a test wants the real answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

_KINDS = {
    1: "FLOAT",
    2: "UINT8",
    7: "INT64",
    10: "HALF",
}  # ONNX's types: TensorRT's names
_DTYPES = {"FLOAT": np.float32, "UINT8": np.uint8, "INT64": np.int64, "HALF": np.float16}


def ports(model: bytes) -> tuple[list[str], list[str]]:
    """Names of an ONNX file's inputs and outputs, as TensorRT's parser finds them.

    It refuses bytes that anything but a cast takes, as TensorRT does.
    """
    graph = onnx.load_from_string(model).graph
    for entry in graph.input:
        users = {node.op_type for node in graph.node if entry.name in node.input}
        is_bytes = entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8
        assert not is_bytes or users == {"Cast"}, f"TensorRT casts bytes first, and not {users}"
    return [entry.name for entry in graph.input], [entry.name for entry in graph.output]


class RealNetwork:
    """An ONNX file, with shapes inferred from its inputs alone, run by ONNX Runtime."""

    def __init__(self, model: bytes) -> None:
        proto = onnx.load_from_string(model)
        for entry in proto.graph.output:
            entry.type.tensor_type.ClearField("shape")
        graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
        entries = {entry.name: entry.type.tensor_type for entry in (*graph.input, *graph.output)}
        self.kinds = {name: _KINDS[kind.elem_type] for name, kind in entries.items()}
        self.shapes = {
            name: [side.dim_value or -1 for side in kind.shape.dim]
            for name, kind in entries.items()
        }
        self._outputs = [entry.name for entry in graph.output]
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def run(
        self,
        memory: Mapping[int, npt.NDArray[np.uint8]],
        addresses: Mapping[str, int],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        """Read inputs of these shapes from the GPU's memory, and write the outputs there."""
        given = {}
        for name, shape in shapes.items():
            raw = memory[addresses[name]].view(_DTYPES[self.kinds[name]])
            given[name] = raw[: int(np.prod(shape))].reshape(shape)
        for name, found in zip(self._outputs, self._session.run(None, given), strict=True):
            if name in addresses:
                written = np.frombuffer(np.ascontiguousarray(found).tobytes(), np.uint8)
                memory[addresses[name]][: len(written)] = written
