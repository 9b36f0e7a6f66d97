"""An NVIDIA GPU's context and memory, through PyCUDA."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.tensorrt_installed import import_installed

__all__ = ["BatchMemory", "Gpu", "first_gpu"]

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


class BatchMemory:
    """Memory for one batch on its way through a GPU. Make, use and free it with the GPU active.

    Args:
        gpu: where.
        crops: shape of the largest batch, [B, H, W, 3] of uint8.
        logits: shape of its answer, [B, C] of float32.

    Attributes:
        host_crops: page-locked, [B, H, W, 3]: crops that are put together here need no copy.
        crops_address: of the crops on the GPU.
        logits_address: of the logits on the GPU.
        stream_handle: the CUDA stream that everything runs on, one after the other.

    Raises:
        pycuda.driver.Error: there is not enough memory.
    """

    def __init__(self, gpu: Gpu, crops: tuple[int, int, int, int], logits: tuple[int, int]) -> None:
        self._cuda = gpu.cuda
        with contextlib.ExitStack() as made:
            self._stream = self._cuda.Stream(_NON_BLOCKING)
            self.host_crops, self._crops = self._pair(made, crops, np.uint8)
            self._host_logits, self._logits = self._pair(made, logits, np.float32)
            self._made = made.pop_all()
        self.crops_address = int(self._crops)
        self.logits_address = int(self._logits)
        self.stream_handle = int(self._stream.handle)

    def place(self, crops: npt.NDArray[np.uint8]) -> None:
        """Put crops [n, H, W, 3], n <= B, into ``host_crops``, unless that is where they lie."""
        if crops.ctypes.data != self.host_crops.ctypes.data:
            self.host_crops[: len(crops)] = crops

    def upload(self, count: int) -> None:
        """Start to copy the first ``count`` of ``host_crops`` to the GPU."""
        self._cuda.memcpy_htod_async(self._crops, self.host_crops[:count], self._stream)

    def download(self, count: int) -> None:
        """Start to copy the first ``count`` rows of logits from the GPU."""
        self._cuda.memcpy_dtoh_async(self._host_logits[:count], self._logits, self._stream)

    def wait(self) -> None:
        """Wait until all that was started has ended."""
        self._stream.synchronize()

    def logits(self, count: int) -> npt.NDArray[np.float32]:
        """The first ``count`` rows that were copied from the GPU, float32 [n, C]: a copy."""
        rows: npt.NDArray[np.float32] = self._host_logits[:count].copy()
        return rows

    def free(self) -> None:
        """Give all of it back."""
        try:
            self.wait()
        finally:
            self._made.close()
            self._stream = None

    def _pair(
        self, made: contextlib.ExitStack, shape: tuple[int, ...], kind: type[np.generic]
    ) -> tuple[npt.NDArray[Any], Any]:
        """Page-locked memory, which the GPU copies from and to by itself, and the GPU's own."""
        host: npt.NDArray[Any] = self._cuda.pagelocked_empty(shape, kind)
        made.callback(host.base.free)  # type: ignore[union-attr]
        device = self._cuda.mem_alloc(host.nbytes)
        made.callback(device.free)
        return host, device
