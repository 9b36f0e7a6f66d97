"""TensorRT on an NVIDIA GPU: runs ``tensorrt-*`` variants, by engines built on first use."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.errors import RuntimeFailure, UsageError
from edgeattr_runtimes.cuda import Gpu, Memory, first_gpu
from edgeattr_runtimes.engine import Engine
from edgeattr_runtimes.onnx_engine import OnnxSession
from edgeattr_runtimes.protocol import EngineOptions, crops_shape
from edgeattr_runtimes.session import Array, Port, Session, Shapes, Slot, new_inputs
from edgeattr_runtimes.tensorrt_cache import engine_from_onnx
from edgeattr_runtimes.tensorrt_installed import import_installed
from edgeattr_runtimes.tensorrt_log import listening, logger_of
from edgeattr_runtimes.tensorrt_plan import BuildOptions

_STREAMS = 2  # one batch is copied while another computes
_DEVICES = ("cuda", "gpu")
_CROPS, _LOGITS = "crops", "logits"  # uint8 [batch, H, W, 3]; float32 [batch, C]
_DTYPES = {  # TensorRT's names -> NumPy's
    "FLOAT": "float32",
    "HALF": "float16",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}


def devices() -> tuple[str, ...]:
    """What can be asked for here, two names of the first GPU that CUDA shows.

    Raises:
        MissingDependency: PyCUDA is not installed.
        RuntimeFailure: it cannot be used.
    """
    first_gpu()
    return _DEVICES


class TensorrtSession(Session):
    """A TensorRT engine.

    Args:
        gpu: where.
        engine: a ``tensorrt.ICudaEngine`` of :func:`engine_from_onnx`.
        options: that it was built with.
        arithmetic: see :attr:`Session.arithmetic`.

    Raises:
        RuntimeFailure: an output has a shape that is not known beforehand.
    """

    engine = "tensorrt"

    def __init__(self, gpu: Gpu, engine: Any, options: BuildOptions, arithmetic: str) -> None:
        super().__init__()
        self._gpu, self._engine, self._options = gpu, engine, options
        self.arithmetic = arithmetic
        self.inputs = tuple(self._port(name) for name in options.rows)
        self.outputs = tuple(self._port(name) for name in options.outputs)
        for port in self.outputs:
            if None in port.shape[1:]:
                raise RuntimeFailure(f"TensorRT cannot tell the shape of the output {port}")

    def _port(self, name: str) -> Port:
        kind = self._engine.get_tensor_dtype(name).name
        sides = self._engine.get_tensor_shape(name)
        return Port(
            names=frozenset([name]),
            shape=tuple(None if side < 0 else int(side) for side in sides),
            dtype=_DTYPES.get(kind, kind),
        )

    def fixed(self, shapes: Shapes, outputs: Sequence[str] | None = None) -> Session:
        """Itself: an engine is built for its shapes and outputs."""
        return self

    def slot(self) -> Slot:
        """See :meth:`Session.slot`."""
        with self._gpu.active(), contextlib.ExitStack() as unless_made:
            memory = self._memory()
            unless_made.callback(memory.free)
            made = _Slot(self._gpu, self._engine, memory, self._options.min_batch)
            unless_made.pop_all()
        return made

    def close(self) -> None:
        """See :meth:`Session.close`."""
        super().close()
        with self._gpu.active():
            self._engine = None

    def _memory(self) -> Memory:
        """Memory for one largest batch. Call with the GPU active."""
        batch = self._options.max_batch
        return Memory(
            self._gpu,
            {port.name: ((batch, *self._options.rows[port.name]), port.dtype)
             for port in self.inputs},
            {port.name: (tuple(side or batch for side in port.shape), port.dtype)
             for port in self.outputs},
        )  # fmt: skip


class _Slot:
    """An execution context, a stream and memory of their own. Make it with the GPU active.

    Args:
        gpu: where.
        engine: a ``tensorrt.ICudaEngine``.
        memory: its own from now on.
        least: rows of a run; fewer are filled up with what was there.

    Raises:
        RuntimeFailure: the GPU has too little memory.
    """

    def __init__(self, gpu: Gpu, engine: Any, memory: Memory, least: int) -> None:
        self._gpu, self._memory, self._count, self._least = gpu, memory, 0, least
        self._logger = logger_of(import_installed("tensorrt"))
        self.inputs: Mapping[str, Array] = memory.inputs
        with listening(self._logger) as heard:
            self._context = engine.create_execution_context()
            ready = (
                self._context is not None
                and self._context.set_optimization_profile_async(0, memory.stream)
                and all(
                    self._context.set_tensor_address(name, address)
                    for name, address in memory.addresses.items()
                )
            )
        if not ready:
            self._context = None
            raise RuntimeFailure(
                f"TensorRT cannot start the engine on {gpu.name}: {heard.last()}. Close other "
                "programs that use the GPU, or ask for fewer streams or a smaller batch"
            )

    def run(self, count: int | None = None) -> list[Array]:
        wanted = len(next(iter(self.inputs.values()))) if count is None else count
        rows = max(wanted, self._least)
        with self._gpu.active(), listening(self._logger) as heard:
            if rows != self._count:
                self._count = 0  # until the context has taken the shape
                for name, array in self.inputs.items():
                    if not self._context.set_input_shape(name, (rows, *array.shape[1:])):
                        raise RuntimeFailure(f"TensorRT refuses a batch of {rows}: {heard.last()}")
                self._count = rows
            self._memory.upload(rows)
            if not self._context.execute_async_v3(self._memory.stream):
                raise RuntimeFailure(f"TensorRT failed on a batch of {rows}: {heard.last()}")
            self._memory.download(rows)
            self._memory.wait()
        return [array[:wanted] for array in self._memory.outputs.values()]

    def close(self) -> None:
        with self._gpu.active():
            try:
                self._memory.wait()
            finally:
                self._context = None
                self._memory.free()


class OnnxFileSession(Session):
    """An ONNX file that a TensorRT engine is built of once its shapes are :meth:`fixed`.

    Its inputs and outputs are read by ONNX Runtime, which also sets the sides that are free: the
    shapes of a detector's boxes follow from them, and TensorRT wants to know them beforehand.

    Args:
        model: the file, or its content.
        precision: of it: ``fp32``, ``fp16`` or ``int8``.

    Raises:
        MissingDependency, RuntimeFailure: there is no GPU, or something is not installed.
    """

    engine = "tensorrt"

    def __init__(self, model: Path | bytes, precision: str = "fp32") -> None:
        super().__init__()
        self._content = model if isinstance(model, bytes) else model.read_bytes()
        self._precision, self._gpu = precision, first_gpu()
        self.arithmetic = "f32" if precision == "fp32" else "f16"
        self._described = OnnxSession(self._content, threads=1)
        self.inputs, self.outputs = self._described.inputs, self._described.outputs

    def fixed(self, shapes: Shapes, outputs: Sequence[str] | None = None) -> TensorrtSession:
        """See :meth:`Session.fixed`. The first time on a device it takes minutes."""
        memory = new_inputs(self.inputs, shapes)
        batch = max(len(array) for array in memory.values())
        options = _build_options(
            {name: array.shape[1:] for name, array in memory.items()},
            tuple(port.name for port in self.picked(outputs)),
            batch=batch,
            least=batch,
        )
        digest = hashlib.sha256(self._content).hexdigest()
        with self._gpu.active():
            engine = engine_from_onnx(
                f"onnx-{self._precision}", digest,
                lambda: self._described.fixed_file(shapes) or self._content, self._gpu,
                self._precision, options,
            )  # fmt: skip
            return TensorrtSession(self._gpu, engine, options, self.arithmetic)

    def slot(self) -> Slot:
        """There is none before the shapes are fixed."""
        raise RuntimeFailure("a TensorRT engine is built for fixed shapes; fix them first")

    def close(self) -> None:
        """See :meth:`Session.close`."""
        super().close()
        self._described.close()


class TensorrtEngine(Engine):
    """A variant loaded into TensorRT. The first load on a device builds its engine, for minutes.

    Args:
        bundle: the model.
        variant: one of its ``tensorrt-*`` variants.
        options: ``device`` is ``cuda`` or ``gpu``, the first GPU; ``threads`` is not used. Each of
            ``streams`` holds memory for a largest ``batch`` of its own.

    Raises:
        MissingDependency: TensorRT or PyCUDA is not installed.
        UsageError: no such device, or attention masks are asked for, which these variants do not
            have.
        RuntimeFailure: there is no GPU that can be used, or TensorRT cannot build the engine.
        OutputError: the cache of engines cannot be written.
    """

    def __init__(self, bundle: Bundle, variant: Variant, options: EngineOptions) -> None:
        if options.attention:
            raise UsageError("tensorrt gives no attention masks; use --runtime onnxruntime")
        if options.device not in (None, *_DEVICES):
            raise UsageError(
                f"tensorrt has no device {options.device!r}; there are: {', '.join(_DEVICES)}. "
                "For others use --runtime onnxruntime or openvino"
            )
        if options.half is False:
            raise UsageError("tensorrt's variants compute in half precision; leave it the choice")
        trt = import_installed("tensorrt")
        gpu = first_gpu()
        streams = options.streams or _STREAMS
        build = _build_options(
            {_CROPS: crops_shape(bundle, 1)[1:]},
            (_LOGITS,),
            batch=options.batch or BuildOptions.max_batch,
        )
        with gpu.active():
            engine = engine_from_onnx(
                variant.name, variant.sha256, lambda: bundle.read_file(variant), gpu,
                variant.precision, build,
            )  # fmt: skip
            session = TensorrtSession(gpu, engine, build, "f16")
            del engine  # it goes with its session
            _check_tensors(session, len(bundle.schema))
        super().__init__(
            bundle,
            variant,
            session,
            streams,
            version=str(trt.__version__),
            device=gpu.name,
            threads=1,
        )


def _build_options(
    rows: Mapping[str, tuple[int, ...]],
    outputs: tuple[str, ...],
    *,
    batch: int,
    least: int = 1,
) -> BuildOptions:
    return BuildOptions(
        rows=rows,
        outputs=outputs,
        min_batch=least,
        opt_batch=max(least, min(BuildOptions.opt_batch, batch)),
        max_batch=batch,
    )


def _check_tensors(session: Session, attributes: int) -> None:
    """Refuse an engine whose answers are no logits of the bundle's attributes."""
    (crops,), (logits,) = session.inputs, session.outputs
    found = crops.dtype, logits.dtype, logits.shape
    if found != ("uint8", "float32", (None, attributes)):
        raise RuntimeFailure(
            f"the engine takes {crops} and gives {logits}; expected uint8 and logits float32 "
            f"[?, {attributes}]. Make the variant again: edgeattr convert --to tensorrt"
        )
