"""Where one batch runs in TensorRT: contexts, a CUDA stream, memory and CUDA graphs of its own."""

from __future__ import annotations

import collections
import contextlib
import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.cuda_graph import CudaGraph
from edgeattr_runtimes.cuda_memory import BatchMemory, Gpu
from edgeattr_runtimes.engine import Arrays
from edgeattr_runtimes.tensorrt_log import Heard, listening, logger_of
from edgeattr_runtimes.tensorrt_plan import INPUT, OUTPUT

__all__ = ["CONTEXTS", "TensorrtRequest"]

CONTEXTS = 2  # of a request: a call is split into batches of one size, and a smaller last one
_TRIES = 3  # to record one batch size: what fails for a reason of the moment gets another chance

_log = logging.getLogger(__name__)


class TensorrtRequest:
    """Execution contexts and memory of their own. Make it with the GPU active.

    Args:
        trt: the module ``tensorrt``.
        gpu: where.
        engine: a ``tensorrt.ICudaEngine``.
        number: which of the engine's requests this is, from 0.
        shape: of the largest batch, [B, H, W, 3].
        attributes: C, columns of the logits.

    Attributes:
        buffer: page-locked, uint8 [B, H, W, 3]: the GPU copies crops straight from here.

    Raises:
        RuntimeFailure: the GPU has too little memory.
    """

    def __init__(
        self,
        trt: Any,
        gpu: Gpu,
        engine: Any,
        number: int,
        shape: tuple[int, int, int, int],
        attributes: int,
    ) -> None:
        self._gpu = gpu
        with contextlib.ExitStack() as made:
            self._memory = BatchMemory(gpu, shape, (shape[0], attributes))
            made.callback(self._memory.free)
            self._contexts: list[_Context] = []  # the one that has rested longest first
            for index in range(CONTEXTS):
                profile = (number * CONTEXTS + index) % engine.num_optimization_profiles
                context = _Context(trt, gpu, engine, self._memory, profile)
                made.callback(context.free)
                self._contexts.append(context)
            self._made = made.pop_all()
        self.buffer = self._memory.host_crops

    def run(self, crops: npt.NDArray[np.uint8]) -> Arrays:
        """See :meth:`edgeattr_runtimes.engine.InferRequest.run`."""
        with self._gpu.active():
            self._memory.place(crops)
            self._context(len(crops)).enqueue(len(crops))
            self._memory.wait()
            return [self._memory.logits(len(crops))]

    def close(self) -> None:
        """See :meth:`edgeattr_runtimes.engine.InferRequest.close`."""
        with self._gpu.active():
            self._made.close()
        self._contexts.clear()

    def _context(self, count: int) -> _Context:
        """The context for batches of this size: it stays at it until others are used more."""
        found = next((each for each in self._contexts if each.size == count), self._contexts[0])
        self._contexts.remove(found)
        self._contexts.append(found)
        return found


class _Context:
    """An execution context, and the CUDA graph of the batch size that it is at.

    Args:
        trt: the module ``tensorrt``.
        gpu: where.
        engine: a ``tensorrt.ICudaEngine``.
        memory: what it reads crops from and writes logits to.
        profile: the engine's optimization profile that it uses.

    Attributes:
        size: of the batches that it was last used for; 0: none yet.

    Raises:
        RuntimeFailure: the GPU has too little memory.
    """

    # A graph holds for the shape, the addresses and the inner state that the context had while it
    # was recorded. Setting another shape changes that state, so that the graph must be recorded
    # anew (NVIDIA/TensorRT issue 3798); TensorRT's guide says one context for each graph, and one
    # run after a change of shape before recording. Hence: the first batch of a size sets the shape
    # and runs plainly, the second is recorded, later ones are replayed, and the graph goes before
    # the context gets another shape.

    def __init__(self, trt: Any, gpu: Gpu, engine: Any, memory: BatchMemory, profile: int) -> None:
        self._cuda_error, self._logger = gpu.cuda.Error, logger_of(trt)
        self._memory = memory
        self.size = 0
        self._graph: CudaGraph | None = None
        self._failures: collections.Counter[int] = collections.Counter()  # of recording, by size
        with listening(self._logger) as heard:
            self._context = engine.create_execution_context()
            ready = (
                self._context is not None
                and self._context.set_optimization_profile_async(profile, memory.stream_handle)
                and self._context.set_tensor_address(INPUT, memory.crops_address)
                and self._context.set_tensor_address(OUTPUT, memory.logits_address)
            )
        if not ready:
            self.free()
            raise RuntimeFailure(
                f"TensorRT cannot start the engine on {gpu.name}: {heard.last()}. Close other "
                "programs that use the GPU, or ask for fewer streams or a smaller batch"
            )

    def enqueue(self, count: int) -> None:
        """Put a batch on the stream: the crops up, the network, the logits down.

        Raises:
            RuntimeFailure: TensorRT or CUDA does not take it.
        """
        with listening(self._logger) as heard:
            try:
                if count != self.size:
                    self._resize(count, heard)
                elif self._graph is None:
                    self._record(heard)
                if self._graph is None:
                    self._enqueue(heard)
                else:
                    self._graph.launch()
            except BaseException:
                self._forget()  # whatever state it is in: the next batch sets the shape again
                raise

    def free(self) -> None:
        """Release it, once the stream has ended its work."""
        try:
            self._memory.wait()
        finally:
            try:
                self._forget()
            finally:
                self._context = None

    def _resize(self, count: int, heard: Heard) -> None:
        self._forget()
        shape = (count, *self._memory.host_crops.shape[1:])
        if not self._context.set_input_shape(INPUT, shape):
            raise RuntimeFailure(f"TensorRT refuses a batch of {count} crops: {heard.last()}")
        self.size = count

    def _enqueue(self, heard: Heard) -> None:
        self._memory.upload(self.size)
        if not self._context.execute_async_v3(self._memory.stream_handle):
            raise RuntimeFailure(f"TensorRT failed on {self.size} crops: {heard.last()}")
        self._memory.download(self.size)

    def _record(self, heard: Heard) -> None:
        """Make the graph, where that can be: without it all runs too, a little slower.

        One that cannot be made is tried again with a later batch of that size, a few times.
        """
        if self._failures[self.size] == _TRIES:
            return
        try:
            self._graph = CudaGraph(self._memory.stream_handle, lambda: self._enqueue(heard))
        except (RuntimeFailure, self._cuda_error) as error:
            self._failures[self.size] += 1
            _log.debug("no CUDA graph of %d crops: %s", self.size, error)

    def _forget(self) -> None:
        graph, self._graph, self.size = self._graph, None, 0
        if graph is not None:
            graph.free()
