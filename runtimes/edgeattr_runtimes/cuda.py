"""An NVIDIA GPU's context and memory, through PyCUDA."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.session import Array
from edgeattr_runtimes.tensorrt_installed import import_installed

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream of other libraries


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
