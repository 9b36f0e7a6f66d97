"""CUDA graphs: work that was put on a stream once is recorded, and started again as a whole.

PyCUDA has no call for them (not in 2026.1 either), so these few are the driver's own.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

from edgeattr.core.errors import RuntimeFailure

__all__ = ["CudaGraph"]

_LIBRARY = "libcuda.so.1"  # comes with NVIDIA's driver
_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate meanwhile


class CudaGraph:
    """Work on a stream that can be started again. Make, launch and free it with the GPU active.

    Args:
        stream: the handle of a CUDA stream, not the default one, that only this thread uses
            meanwhile.
        enqueue: puts the work on the stream. Nothing of it is done yet; it must not wait for it.

    Raises:
        RuntimeFailure: it cannot be recorded; the stream can be used as before.
        Exception: what ``enqueue`` raised; the same holds.
    """

    def __init__(self, stream: int, enqueue: Callable[[], None]) -> None:
        self._stream = ctypes.c_void_p(stream)
        self._startable = ctypes.c_void_p()  # a CUgraphExec
        recorded = ctypes.c_void_p()  # a CUgraph
        _call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_THREAD_LOCAL))
        try:
            try:
                enqueue()
            finally:  # one that failed must be ended too, or the stream stays in it
                _call("cuStreamEndCapture", self._stream, ctypes.byref(recorded))
            _call(
                "cuGraphInstantiateWithFlags",
                ctypes.byref(self._startable),
                recorded,
                ctypes.c_ulonglong(0),
            )
        finally:
            if recorded:
                _call("cuGraphDestroy", recorded)

    def launch(self) -> None:
        """Put the work on its stream again, as it was recorded: same addresses, same sizes.

        Raises:
            RuntimeFailure: CUDA does not take it.
        """
        _call("cuGraphLaunch", self._startable, self._stream)

    def free(self) -> None:
        """Give it back, once the stream has ended its work."""
        _call("cuGraphExecDestroy", self._startable)


@functools.cache
def _driver() -> Any:
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise RuntimeFailure(f"{error}. Install the NVIDIA driver") from error


def _call(name: str, *arguments: Any) -> None:
    """Call a function of the driver's.

    Raises:
        RuntimeFailure: the driver is too old to have it, or it failed.
    """
    try:
        function = getattr(_driver(), name)
    except AttributeError as error:
        raise RuntimeFailure(
            f"NVIDIA's driver has no {name}: it serves CUDA 11.4 from release 470 on; update it"
        ) from error
    code = function(*arguments)
    if code:
        raise RuntimeFailure(
            f"CUDA's {name} failed: {_error_name(code)}. Close other programs that use the GPU "
            "and load the model again"
        )


def _error_name(code: int) -> str:
    name = ctypes.c_char_p()
    _driver().cuGetErrorName(ctypes.c_int(code), ctypes.byref(name))
    return name.value.decode() if name.value else f"error {code}"
