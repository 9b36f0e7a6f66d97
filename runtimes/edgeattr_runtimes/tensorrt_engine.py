"""TensorRT on an NVIDIA GPU: runs ``tensorrt-*`` variants, by engines built on first use."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.bundle import Bundle, Variant
from edgeattr.errors import RuntimeFailure, UsageError
from edgeattr_runtimes.cuda_memory import BatchMemory, Gpu, first_gpu
from edgeattr_runtimes.engine import Arrays, Engine
from edgeattr_runtimes.protocol import EngineOptions, RuntimeInfo
from edgeattr_runtimes.tensorrt_build import engine_from_variant
from edgeattr_runtimes.tensorrt_installed import import_installed
from edgeattr_runtimes.tensorrt_log import listening, logger_of
from edgeattr_runtimes.tensorrt_plan import INPUT, OUTPUT, BuildOptions

__all__ = ["TensorrtEngine", "devices"]


def devices() -> tuple[str, ...]:
    """The GPU that is used: the first that CUDA shows.

    Raises:
        MissingDependency: PyCUDA is not installed.
        RuntimeFailure: it cannot be used.
    """
    return (first_gpu().name,)


class TensorrtEngine(Engine):
    """A variant loaded into TensorRT. The first load on a device builds its engine, for minutes.

    Args:
        bundle: the model.
        variant: one of its ``tensorrt-*`` variants.
        options: ``threads`` is not used: the GPU does the work.

    Raises:
        MissingDependency: TensorRT or PyCUDA is not installed.
        UsageError: attention masks are asked for, which these variants do not have.
        RuntimeFailure: there is no GPU that can be used, or TensorRT cannot build the engine.
        OutputError: the cache of engines cannot be written.
    """

    def __init__(self, bundle: Bundle, variant: Variant, options: EngineOptions) -> None:
        if options.attention:
            raise UsageError("tensorrt gives no attention masks; use --runtime onnxruntime")
        self._trt = import_installed("tensorrt")
        self._gpu = first_gpu()
        build = BuildOptions()
        shape = (build.max_batch, bundle.input.height, bundle.input.width, 3)
        with self._gpu.active():
            engine = engine_from_variant(bundle, variant, self._gpu, build)
            _check_tensors(self._trt, engine, len(bundle.schema))
            request = _Request(self._trt, self._gpu, engine, shape, len(bundle.schema))
        super().__init__(bundle, variant, [request])

    def describe(self) -> RuntimeInfo:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.describe`."""
        return RuntimeInfo(
            engine="tensorrt",
            version=str(self._trt.__version__),
            device=self._gpu.name,
            precision=self._precision,
            threads=1,
            streams=self._streams,
            batch=self._batch,
        )


class _Request:
    """An execution context with memory of its own. Make it with the GPU active.

    Args:
        trt: the module ``tensorrt``.
        gpu: where.
        engine: a ``tensorrt.ICudaEngine``.
        shape: of the largest batch, [B, H, W, 3].
        attributes: C, columns of the logits.

    Raises:
        RuntimeFailure: the GPU has too little memory.
    """

    def __init__(
        self, trt: Any, gpu: Gpu, engine: Any, shape: tuple[int, int, int, int], attributes: int
    ) -> None:
        self._gpu, self._size = gpu, shape[1:]
        self._logger = logger_of(trt)
        self._engine = engine
        self._memory = BatchMemory(gpu, shape, (shape[0], attributes))
        self.buffer = self._memory.host_crops
        with listening(self._logger) as heard:
            self._context = engine.create_execution_context()
            ready = (
                self._context is not None
                and self._context.set_tensor_address(INPUT, self._memory.crops_address)
                and self._context.set_tensor_address(OUTPUT, self._memory.logits_address)
            )
        if not ready:
            self._free()
            raise RuntimeFailure(
                f"TensorRT cannot start the engine on {gpu.name}: {heard.last()}. Close other "
                "programs that use the GPU"
            )

    def run(self, crops: npt.NDArray[np.uint8]) -> Arrays:
        with self._gpu.active(), listening(self._logger) as heard:
            self._memory.upload(crops)
            done = self._context.set_input_shape(INPUT, (len(crops), *self._size))
            if not (done and self._context.execute_async_v3(self._memory.stream_handle)):
                raise RuntimeFailure(f"TensorRT failed on {len(crops)} crops: {heard.last()}")
            return [self._memory.download(len(crops)).copy()]

    def close(self) -> None:
        with self._gpu.active():
            self._free()

    def _free(self) -> None:
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
