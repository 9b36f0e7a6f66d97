"""OpenVINO on the CPU: runs ``openvino-*`` variants, and ``onnx-*`` ones as they are."""

from __future__ import annotations

import io
import queue
import threading
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.bundle import Bundle, Variant
from edgeattr.closing import Closing
from edgeattr.errors import MissingDependency, RuntimeFailure
from edgeattr_runtimes.onnx_engine import thread_count
from edgeattr_runtimes.protocol import (
    Outputs,
    RuntimeInfo,
    check_crops,
    joined_outputs,
    output_names,
)

__all__ = ["IR_MEMBERS", "OpenvinoEngine", "compile_network", "read_network"]

_BATCHES = (16, 4, 1)  # crops a run: fixed shapes run faster than a free one, above all alone
IR_MEMBERS = ("model.xml", "model.bin")  # inside the file of an openvino-* variant


def read_network(content: bytes, *, attention: bool = False, name: str = "the model") -> Any:
    """The network in a variant's file, an ``openvino.Model`` whose first output is the logits.

    Args:
        content: a zip of an OpenVINO IR (``model.xml``, ``model.bin``), or an ONNX file.
        attention: whether outputs with attention masks stay; otherwise they are dropped, with
            what only they need.
        name: what the error calls it.

    Raises:
        MissingDependency: OpenVINO is not installed.
        RuntimeFailure: OpenVINO cannot read it.
    """
    openvino = _openvino()
    core = openvino.Core()
    try:
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                xml, weights = (archive.read(member) for member in IR_MEMBERS)
                tensor = openvino.Tensor(np.frombuffer(weights, np.uint8))
                model = core.read_model(xml, tensor)
        else:
            model = core.read_model(content)
        if not attention:
            for result in list(model.get_results()):
                if "logits" not in result.output(0).get_names():
                    model.remove_result(result)
        return model
    except (RuntimeError, KeyError, zipfile.BadZipFile) as error:
        raise RuntimeFailure(f"OpenVINO cannot read {name}: {error}") from error


def compile_network(model: Any, batch: int, threads: int | None = None) -> Any:
    """Compile a network of :func:`read_network` for the CPU and one batch size.

    Arithmetic is float32 where it is not INT8: processors without AMX emulate the half precisions.

    Args:
        model: is left as it is.
        batch: crops a run.
        threads: of one run; all cores where absent.

    Raises:
        RuntimeFailure: OpenVINO cannot run it.
    """
    openvino = _openvino()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": thread_count(threads),
    }
    try:
        fixed = model.clone()
        _, height, width, channels = fixed.input(0).get_partial_shape()
        fixed.reshape([batch, height, width, channels])
        return openvino.Core().compile_model(fixed, "CPU", options)
    except RuntimeError as error:
        raise RuntimeFailure(f"OpenVINO cannot compile the model: {error}") from error


class OpenvinoEngine(Closing):
    """A variant loaded into OpenVINO.

    Args:
        bundle: the model.
        variant: one of its ``openvino-*`` or ``onnx-*`` variants.
        threads: that one call may use; all cores where absent.
        attention: whether outputs hold the attention masks.

    Raises:
        MissingDependency: OpenVINO is not installed.
        UsageError: the variant has no attention masks, or threads is not a whole number from 1.
        RuntimeFailure: OpenVINO cannot read or compile the file.
    """

    def __init__(
        self,
        bundle: Bundle,
        variant: Variant,
        *,
        threads: int | None = None,
        attention: bool = False,
    ) -> None:
        self._height, self._width = bundle.input.height, bundle.input.width
        self._attributes = len(bundle.schema)
        self._precision = variant.precision
        self._threads = thread_count(threads)
        self._model: Any = read_network(bundle.read_file(variant), attention=attention)
        found = (name for output in self._model.outputs for name in output.get_names())
        self._outputs = output_names(found, bundle, attention)
        self._compiled: dict[int, Any] = {}
        self._idle: dict[int, queue.SimpleQueue[Any]] = {n: queue.SimpleQueue() for n in _BATCHES}
        self._lock = threading.Lock()
        self._compile(1)

    def infer(self, crops: npt.NDArray[np.uint8]) -> Outputs:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.infer`."""
        if self._model is None:
            raise RuntimeFailure("this model was closed; load it again")
        check_crops(crops, self._height, self._width)
        parts, start = [], 0
        while start < len(crops):
            batch = next(size for size in _BATCHES if size <= len(crops) - start)
            parts.append(self._run(np.ascontiguousarray(crops[start : start + batch])))
            start += batch
        return joined_outputs(parts, self._attributes)

    def describe(self) -> RuntimeInfo:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.describe`."""
        return RuntimeInfo(
            engine="openvino",
            version=str(_openvino().__version__).split("-")[0],
            device="CPU",
            precision=self._precision,
            threads=self._threads,
        )

    def close(self) -> None:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.close`."""
        with self._lock:
            self._model = None
            self._compiled.clear()
            self._idle = {size: queue.SimpleQueue() for size in _BATCHES}

    def _run(self, part: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """One batch of a size that is compiled, by a request that no other thread holds."""
        idle = self._idle[len(part)]
        try:
            request = idle.get_nowait()
        except queue.Empty:
            request = self._compile(len(part)).create_infer_request()
        try:
            request.infer({0: part}, share_inputs=True)
            found = [request.get_tensor(name).data.copy() for name in self._outputs]
        except RuntimeError as error:
            raise RuntimeFailure(f"OpenVINO failed on {len(part)} crops: {error}") from error
        idle.put(request)
        return found

    def _compile(self, batch: int) -> Any:
        with self._lock:
            if self._model is None:
                raise RuntimeFailure("this model was closed; load it again")
            if batch not in self._compiled:
                self._compiled[batch] = compile_network(self._model, batch, self._threads)
            return self._compiled[batch]


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise MissingDependency(
            "openvino", extra="openvino", purpose="run a model on OpenVINO"
        ) from error
    return openvino
