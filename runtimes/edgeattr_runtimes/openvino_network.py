"""OpenVINO IRs and ONNX files of other people on OpenVINO, a picture at a time, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.device import available_cores
from edgeattr_runtimes.network import Array, Operation, Picture, Port, Shape, Spares
from edgeattr_runtimes.openvino_engine import _openvino

__all__ = ["OpenvinoNetwork"]

_DTYPES = {  # OpenVINO's names -> NumPy's
    "f32": "float32",
    "f16": "float16",
    "f64": "float64",
    "u8": "uint8",
    "i32": "int32",
    "i64": "int64",
}
_PASSED = ("Convert", "Reshape")  # operations that leave the values of an output alone


class OpenvinoNetwork:
    """See :func:`edgeattr_runtimes.network.open_network`."""

    engine = "openvino"

    def __init__(self, path: Path, threads: int | None) -> None:
        openvino = _openvino()
        self._path = path
        self._threads = threads or available_cores()
        try:
            self._model = openvino.Core().read_model(str(path))
        except RuntimeError as error:
            raise RuntimeFailure(f"OpenVINO cannot open {path}: {error}") from error
        self.inputs = tuple(_port(entry) for entry in self._model.inputs)
        self.outputs = tuple(_port(entry, _maker(entry)) for entry in self._model.outputs)

    def prepare(self, picture: Picture) -> Spares[_Slot]:
        """Make it take pictures: the conversion of colours, layout and type joins the network.

        As many calls run beside each other as have their threads on this machine's cores.

        Raises:
            RuntimeFailure: OpenVINO cannot compile it.
        """
        openvino = _openvino()
        streams = max(1, available_cores() // self._threads)
        options = {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": self._threads * streams,
            "ENABLE_CPU_PINNING": False,  # threads may leave a core where frames are being decoded
            "INFERENCE_PRECISION_HINT": "f32",  # processors without AMX emulate the half ones
        }
        try:
            model = _with_pictures(openvino, self._model.clone(), picture)
            compiled = openvino.Core().compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise RuntimeFailure(f"OpenVINO cannot compile {self._path}: {error}") from error
        return Spares(lambda: _Slot(compiled.create_infer_request(), picture))


class _Slot:
    """A picture and a request."""

    def __init__(self, request: Any, picture: Picture) -> None:
        self._request, self._name = request, picture.name
        self._batch: npt.NDArray[np.uint8]
        self._batch = np.zeros((1, picture.height, picture.width, 3), np.uint8)
        self.picture: npt.NDArray[np.uint8] = self._batch[0]

    def run(self, others: Mapping[str, Array]) -> list[Array]:
        try:
            self._request.infer(
                {self._name: self._batch, **others}, share_inputs=True, share_outputs=True
            )
            return [tensor.data for tensor in self._request.output_tensors]
        except RuntimeError as error:
            raise RuntimeFailure(f"OpenVINO failed: {error}") from error


def _with_pictures(openvino: Any, model: Any, picture: Picture) -> Any:
    """The network with bytes [1, height, width, 3], blue-green-red, for its picture."""
    from openvino.preprocess import ColorFormat, PrePostProcessor

    shapes = {port.get_any_name(): [side or 1 for side in _shape(port)] for port in model.inputs}
    model.reshape({**shapes, picture.name: [1, 3, picture.height, picture.width]})
    steps = PrePostProcessor(model)
    entry = steps.input(picture.name)
    entry.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    entry.tensor().set_color_format(ColorFormat.BGR)
    entry.model().set_layout(openvino.Layout("NCHW"))
    if picture.rgb:
        entry.preprocess().convert_color(ColorFormat.RGB)
    if picture.scale != 1.0:
        entry.preprocess().convert_element_type(openvino.Type.f32).scale(1 / picture.scale)
    return steps.build()


def _port(entry: Any, made_by: Operation | None = None) -> Port:
    name = entry.get_element_type().get_type_name()
    return Port(
        names=frozenset(entry.get_names()),
        shape=_shape(entry),
        dtype=_DTYPES.get(name, name),
        made_by=made_by,
    )


def _shape(entry: Any) -> Shape:
    found = entry.get_partial_shape()
    if found.rank.is_dynamic:
        return ()
    return tuple(None if side.is_dynamic else side.get_length() for side in found)


def _maker(entry: Any) -> Operation:
    """The operation whose values an output has."""
    node = entry.get_node().input_value(0).get_node()
    while node.get_type_name() in _PASSED:
        node = node.input_value(0).get_node()
    return Operation(
        kind=node.get_type_name(),
        attributes=node.get_attributes(),
        inputs=tuple(map(_shape, node.inputs())),
    )
