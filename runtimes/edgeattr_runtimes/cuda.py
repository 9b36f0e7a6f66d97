"""An NVIDIA GPU's context, memory and graphs, through PyCUDA and the driver."""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.session import Array
from edgeattr_runtimes.tensorrt_installed import import_installed

__all__ = ["CudaGraph", "Gpu", "Memory", "first_gpu"]

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream of other libraries
_LIBRARY = "libcuda.so.1"  # comes with NVIDIA's driver
_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate meanwhile


class Gpu:
    """The first GPU that CUDA shows, and its primary context, which other libraries share.

    Attributes:
        name: as its maker has it.
        compute_capability: ``8.7`` and the like.
        driver: the newest CUDA version that the driver serves: 12040 is 12.4.

    Raises:
        MissingDependency: PyCUDA is not installed.
        RuntimeFailure: there is no GPU that can be used.
    """

    name: str
    compute_capability: str
    driver: int

    def __init__(self) -> None:
        self.cuda = import_installed("pycuda.driver")
        try:
            self.cuda.init()
            device = self.cuda.Device(0)
            self.name = str(device.name())
            self.compute_capability = ".".join(map(str, device.compute_capability()))
            self.driver = int(self.cuda.get_driver_version())
            self._context = device.retain_primary_context()
        except self.cuda.Error as error:
            raise RuntimeFailure(
                f"there is no NVIDIA GPU that can be used here: {error}. Check that nvidia-smi "
                "shows it and that CUDA_VISIBLE_DEVICES does not hide it, or use "
                "--runtime onnxruntime"
            ) from error

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Make its context this thread's current one until the block ends.

        Raises:
            RuntimeFailure: CUDA failed inside the block.
        """
        try:
            self._context.push()
            try:
                yield
            finally:
                self._context.pop()
        except self.cuda.Error as error:
            raise RuntimeFailure(
                f"CUDA failed on {self.name}: {error}. Close other programs that use the GPU and "
                "load the model again"
            ) from error


@functools.cache
def first_gpu() -> Gpu:
    """The process's :class:`Gpu`.

    Its context is kept until the process ends, as CUDA's own runtime does: PyCUDA leaves a
    primary context that it releases on the thread's stack.

    Raises:
        MissingDependency, RuntimeFailure: as :class:`Gpu`.
    """
    return Gpu()


class Memory:
    """Inputs and outputs on their way through a GPU. Make, use and free it with the GPU active.

    Args:
        gpu: where.
        inputs, outputs: shape and type of each, by name.

    Attributes:
        inputs, outputs: page-locked memory by name: what is put together there needs no copy.
        addresses: of all on the GPU, by name.
        stream: handle of the CUDA stream that everything runs on, one after the other.

    Raises:
        pycuda.driver.Error: there is not enough memory.
    """

    def __init__(
        self,
        gpu: Gpu,
        inputs: Mapping[str, tuple[tuple[int, ...], str]],
        outputs: Mapping[str, tuple[tuple[int, ...], str]],
    ) -> None:
        self._cuda = gpu.cuda
        self.inputs: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        self.addresses: dict[str, int] = {}
        self._device: dict[str, Any] = {}
        with contextlib.ExitStack() as made:
            self._stream = self._cuda.Stream(_NON_BLOCKING)
            for ports, host in ((inputs, self.inputs), (outputs, self.outputs)):
                for name, (shape, dtype) in ports.items():
                    host[name] = self._cuda.pagelocked_empty(shape, np.dtype(dtype))
                    made.callback(host[name].base.free)  # type: ignore[union-attr]
                    self._device[name] = self._cuda.mem_alloc(host[name].nbytes)
                    made.callback(self._device[name].free)
                    self.addresses[name] = int(self._device[name])
            self._made = made.pop_all()
        self.stream = int(self._stream.handle)

    def upload(self, count: int) -> None:
        """Start to copy the first ``count`` rows of the inputs to the GPU."""
        for name, array in self.inputs.items():
            self._cuda.memcpy_htod_async(self._device[name], array[:count], self._stream)

    def download(self, count: int) -> None:
        """Start to copy the first ``count`` rows of the outputs from the GPU."""
        for name, array in self.outputs.items():
            self._cuda.memcpy_dtoh_async(array[:count], self._device[name], self._stream)

    def wait(self) -> None:
        """Wait until all that was started has ended."""
        self._stream.synchronize()

    def free(self) -> None:
        """Give all of it back."""
        try:
            self.wait()
        finally:
            self._made.close()
            self._stream = None


class CudaGraph:
    """Work on a stream that can be started again. Make, launch and free it with the GPU active.

    PyCUDA has no call for it (not in 2026.1 either), so these few are the driver's own.

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
