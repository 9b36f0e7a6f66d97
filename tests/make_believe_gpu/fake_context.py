"""TensorRT's execution contexts, as strict about the order of calls as its documents are."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from .world import Step, World


def context_plays(trt: Any, world: World) -> dict[str, dict[str, Any]]:
    """What the members of `ICudaEngine` and `IExecutionContext` for contexts do."""
    severity = trt.ILogger.Severity

    def create(self: Any) -> Any:
        assert world.active(), "no CUDA context is current"
        if world.context_error and len(world.live_contexts()) >= world.context_limit:
            self._logger.log(severity.ERROR, world.context_error)
            return None
        context = trt.IExecutionContext()
        context._engine, context._logger = self, self._logger
        context._profile = None
        context._addresses, context._shape, context._stream = {}, (), 0
        context._shapes = {}
        world.contexts.append(weakref.ref(context))
        return context

    def set_profile(self: Any, profile: int, stream: int) -> bool:
        assert stream in world.streams
        assert profile == 0, "there is one"
        self._profile, self._shape = profile, ()
        return True

    def set_address(self: Any, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def set_shape(self: Any, name: str, shape: tuple[int, ...]) -> bool:
        assert self._profile is not None, "no optimization profile was chosen"
        self._shape = shape
        self._shapes[name] = shape
        return name in self._engine._names

    def execute(self: Any, handle: int) -> bool:
        assert world.active(), "no CUDA context is current"
        stream = world.streams[handle]
        assert self._stream in (0, handle), "two streams for one context"
        assert self._shape, "no shape was set"
        self._stream = handle
        if world.run_error:
            self._logger.log(severity.ERROR, world.run_error)
            return False
        step = Step(_network(self, world, handle), tuple(self._addresses.values()))
        world.enqueue(stream, step)
        return True

    return {
        "ICudaEngine": {"create_execution_context": create},
        "IExecutionContext": {
            "set_optimization_profile_async": set_profile,
            "set_tensor_address": set_address,
            "set_input_shape": set_shape,
            "execute_async_v3": execute,
        },
    }


def _network(context: Any, world: World, stream: int) -> Any:
    """Logit c of a crop is the mean of its pixels, plus c, where nothing else is set."""
    shape, found = context._shape, weakref.ref(context)

    def run() -> None:
        context = found()
        assert context is not None, "the context was released before its work ended"
        assert context._shape == shape, "the context was changed before its work ended"
        world.meet()
        world.batches.append((stream, context._shape[0]))
        if context._engine._runs:
            context._engine._runs.run(world.memory, context._addresses, context._shapes)
            return
        kind = np.dtype(world.input_dtype.lower().replace("float", "float32"))
        raw = world.memory[context._addresses["crops"]].view(kind)
        crops = raw[: int(np.prod(context._shape))].reshape(context._shape)
        if world.answer:
            logits = world.answer(context._engine._model, crops)
        else:
            logits = crops.mean((1, 2, 3), dtype=np.float64)[:, None] + np.arange(world.columns)
        written = np.frombuffer(logits.astype(np.float32).tobytes(), np.uint8)
        world.memory[context._addresses["logits"]][: len(written)] = written

    return run
