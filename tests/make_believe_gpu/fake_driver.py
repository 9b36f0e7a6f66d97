"""`libcuda.so.1` with the functions for graphs that are used here, as strict as CUDA is."""

from __future__ import annotations

import ctypes
import itertools
import threading
from typing import Any

from .world import Stream, World

_INVALID, _INVALIDATED = 1, 901  # CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
_NAMES = {
    _INVALID: b"CUDA_ERROR_INVALID_VALUE",
    _INVALIDATED: b"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
}


def _given(argument: Any, kind: Any) -> Any:
    """The value of an argument, which must be of the C type that the function takes."""
    assert type(argument) is kind, argument
    return argument.value


class FakeDriver:
    """Graphs of the streams of a world; other functions are absent."""

    def __init__(self, world: World) -> None:
        self._world, self._handles = world, itertools.count(1001)
        self._functions = {
            "cuStreamBeginCapture_v2": self._begin,
            "cuStreamEndCapture": self._end,
            "cuGraphInstantiateWithFlags": self._instantiate,
            "cuGraphLaunch": self._launch,
            "cuGraphDestroy": self._destroy,
            "cuGraphExecDestroy": self._destroy,
            "cuGetErrorName": self._error_name,
        }

    def __getattr__(self, name: str) -> Any:
        if name not in self._functions or name in self._world.absent:
            raise AttributeError(name)

        def call(*arguments: Any) -> int:
            assert self._world.active(), "no CUDA context is current"
            self._world.calls.append((name, ()))
            return self._functions[name](*arguments)

        return call

    def _begin(self, stream: Any, mode: Any) -> int:
        found = self._stream(stream)
        assert _given(mode, ctypes.c_int) == 1
        assert found.recorded is None
        error = self._error("cuStreamBeginCapture_v2")
        if not error:
            found.recorded, found.thread, found.spoilt = [], threading.get_ident(), False
        return error

    def _end(self, stream: Any, graph: Any) -> int:
        found = self._stream(stream)
        assert found.recorded is not None
        assert found.thread == threading.get_ident()
        steps, found.recorded = found.recorded, None
        error = _INVALIDATED if found.spoilt else self._error("cuStreamEndCapture")
        if not error:
            graph._obj.value = self._keep(steps)
        return error

    def _instantiate(self, startable: Any, graph: Any, flags: Any) -> int:
        assert _given(flags, ctypes.c_ulonglong) == 0
        error = self._error("cuGraphInstantiateWithFlags")
        if not error:
            steps = self._world.graphs[_given(graph, ctypes.c_void_p)]
            startable._obj.value = self._keep(list(steps))
        return error

    def _launch(self, startable: Any, stream: Any) -> int:
        error = self._error("cuGraphLaunch")
        if not error:
            self._world.launches += 1
            for step in self._world.graphs[_given(startable, ctypes.c_void_p)]:
                self._world.enqueue(self._stream(stream), step)
        return error

    def _destroy(self, graph: Any) -> int:
        del self._world.graphs[_given(graph, ctypes.c_void_p)]
        return 0

    def _error_name(self, code: Any, name: Any) -> int:
        found = _NAMES.get(_given(code, ctypes.c_int))
        name._obj.value = found
        return 0 if found else _INVALID

    def _error(self, function: str) -> int:
        return self._world.driver_errors.get(function, 0)

    def _stream(self, handle: Any) -> Stream:
        return self._world.streams[_given(handle, ctypes.c_void_p)]

    def _keep(self, steps: list[Any]) -> int:
        handle = next(self._handles)
        self._world.graphs[handle] = steps
        return handle
