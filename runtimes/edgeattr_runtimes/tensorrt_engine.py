"""TensorRT on an NVIDIA GPU: runs ``tensorrt-*`` variants, by engines built on first use."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.bundle import Bundle, Variant
from edgeattr.closing import Closing
from edgeattr.errors import RuntimeFailure
from edgeattr_runtimes.cuda_memory import BatchMemory, Gpu, first_gpu
from edgeattr_runtimes.protocol import Outputs, RuntimeInfo, check_crops
from edgeattr_runtimes.tensorrt_build import engine_from_variant
from edgeattr_runtimes.tensorrt_installed import import_installed
from edgeattr_runtimes.tensorrt_log import listening, logger_of
from edgeattr_runtimes.tensorrt_plan import INPUT, OUTPUT, BuildOptions

__all__ = ["TensorrtEngine"]


class TensorrtEngine(Closing):
    """A variant loaded into TensorRT. The first load on a device builds its engine, for minutes.

    Args:
        bundle: the model.
        variant: one of its ``tensorrt-*`` variants.
        threads: is not used: the GPU does the work.

    Raises:
        MissingDependency: TensorRT or PyCUDA is not installed.
        RuntimeFailure: there is no GPU that can be used, or TensorRT cannot build the engine.
        OutputError: the cache of engines cannot be written.
    """

    def __init__(self, bundle: Bundle, variant: Variant, *, threads: int | None = None) -> None:
        self._height, self._width = bundle.input.height, bundle.input.width
        self._attributes = len(bundle.schema)
        self._precision = variant.precision
        self._trt = import_installed("tensorrt")
        self._gpu = first_gpu()
        self._lock = threading.Lock()
        options = BuildOptions()
        self._batch = options.max_batch
        with self._gpu.active():
            engine = engine_from_variant(bundle, variant, self._gpu, options)
            shape = (self._batch, self._height, self._width, 3)
            self._session: _Session | None = _Session(
                self._trt, self._gpu, engine, shape, self._attributes
            )

    def infer(self, crops: npt.NDArray[np.uint8]) -> Outputs:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.infer`."""
        if self._session is None:
            raise RuntimeFailure("this model was closed; load it again")
        check_crops(crops, self._height, self._width)
        logits = np.empty((len(crops), self._attributes), np.float32)
        with self._lock, self._gpu.active():
            session = self._session
            if session is None:  # while this thread waited
                raise RuntimeFailure("this model was closed; load it again")
            for start in range(0, len(crops), self._batch):
                part = crops[start : start + self._batch]
                logits[start : start + len(part)] = session.run(part)
        return Outputs(logits)

    def describe(self) -> RuntimeInfo:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.describe`."""
        return RuntimeInfo(
            engine="tensorrt",
            version=str(self._trt.__version__),
            device=self._gpu.name,
            precision=self._precision,
            threads=1,
        )

    def close(self) -> None:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.close`."""
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                with self._gpu.active():
                    session.free()


class _Session:
    """An engine with memory to run in. Make, use and free it with the GPU active.

    Args:
        trt: the module ``tensorrt``.
        gpu: where.
        engine: a ``tensorrt.ICudaEngine``.
        shape: of the largest batch, [B, H, W, 3].
        attributes: C, columns of the logits.

    Raises:
        RuntimeFailure: the engine has other inputs or outputs, or the GPU has too little memory.
    """

    def __init__(
        self, trt: Any, gpu: Gpu, engine: Any, shape: tuple[int, int, int, int], attributes: int
    ) -> None:
        _check_tensors(trt, engine, attributes)
        self._logger = logger_of(trt)
        self._size = shape[1:]
        self._engine = engine
        self._memory = BatchMemory(gpu, shape, (shape[0], attributes))
        with listening(self._logger) as heard:
            self._context = engine.create_execution_context()
            ready = (
                self._context is not None
                and self._context.set_tensor_address(INPUT, self._memory.crops_address)
                and self._context.set_tensor_address(OUTPUT, self._memory.logits_address)
            )
        if not ready:
            self.free()
            raise RuntimeFailure(
                f"TensorRT cannot start the engine on {gpu.name}: {heard.last()}. Close other "
                "programs that use the GPU"
            )

    def run(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits [n, C] of 1 to B crops, in memory that the next call reuses.

        Raises:
            RuntimeFailure: TensorRT failed.
        """
        with listening(self._logger) as heard:
            self._memory.upload(crops)
            done = self._context.set_input_shape(INPUT, (len(crops), *self._size))
            if not (done and self._context.execute_async_v3(self._memory.stream_handle)):
                raise RuntimeFailure(f"TensorRT failed on {len(crops)} crops: {heard.last()}")
            return self._memory.download(len(crops))

    def free(self) -> None:
        """Give everything back."""
        self._context = self._engine = None
        self._memory.free()


def _check_tensors(trt: Any, engine: Any, attributes: int) -> None:
    """Refuse an engine whose tensors would not fit the memory that is set aside for them."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = {name: engine.get_tensor_dtype(name) for name in names}
    expected = {INPUT: trt.DataType.UINT8, OUTPUT: trt.DataType.FLOAT}
    shape = tuple(engine.get_tensor_shape(OUTPUT)) if OUTPUT in found else ()
    if found != expected or shape[1:] != (attributes,):
        raise RuntimeFailure(
            f"the engine has tensors {found} and logits of {shape}; expected {expected} and "
            f"logits [batch, {attributes}]. Make the variant again: edgeattr convert --to tensorrt"
        )
