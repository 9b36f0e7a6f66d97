"""A module `pycuda.driver` of the names that are used here."""

from __future__ import annotations

import itertools
import types
from typing import Any

import numpy as np
import numpy.typing as npt

from . import world as state
from .world import Step, World


class FakeDevice:
    """`pycuda.driver.Device`, and its own primary context."""

    world: World
    label, capability = "Make-Believe Orin", (8, 7)

    def __init__(self, ordinal: int) -> None:
        assert ordinal == 0

    def name(self) -> str:
        return self.label

    def compute_capability(self) -> tuple[int, int]:
        return self.capability

    def retain_primary_context(self) -> FakeDevice:
        return self

    def push(self) -> None:
        self.world.push(1)

    def pop(self) -> None:
        self.world.push(-1)


def fake_pycuda(world: World) -> types.ModuleType:
    """A module `pycuda.driver`."""
    cuda: Any = types.ModuleType("pycuda.driver")
    addresses, handles = itertools.count(4096, 4096), itertools.count(77)

    class Error(Exception):
        pass

    class Stream(state.Stream):
        def __init__(self, flags: int) -> None:
            assert world.active()
            assert flags == 1, "it would wait for the default stream"
            super().__init__(next(handles))
            world.streams[self.handle] = self

        def synchronize(self) -> None:
            assert world.active()
            while self.waiting:
                self.waiting.pop(0).do()

    class Allocation:
        def __init__(self, size: int) -> None:
            assert world.active()
            if len(world.memory) == world.allocation_limit:
                raise Error("cuMemAlloc failed: out of memory")
            self.address = next(addresses)
            world.memory[self.address] = np.zeros(size, np.uint8)

        def __int__(self) -> int:
            return self.address

        def free(self) -> None:
            assert world.active()
            assert not world.in_use(self.address), "work uses this memory"
            del world.memory[self.address]

    class HostAllocation:
        def __init__(self, shape: tuple[int, ...], kind: Any) -> None:
            assert world.active()
            world.host_memory += 1
            self.array = np.zeros(shape, kind)
            self.__array_interface__ = self.array.__array_interface__

        def free(self) -> None:
            assert world.active()
            world.host_memory -= 1

    def page_locked(host: npt.NDArray[Any]) -> bool:
        return host.flags.c_contiguous and isinstance(host.base.base, HostAllocation)

    def to_device(device: Any, host: npt.NDArray[Any], stream: Stream) -> None:
        def copy() -> None:
            raw = np.frombuffer(host.tobytes(), np.uint8)
            world.memory[int(device)][: host.nbytes] = raw

        assert page_locked(host)
        world.enqueue(stream, Step(copy, (int(device),)))

    def to_host(host: npt.NDArray[Any], device: Any, stream: Stream) -> None:
        def copy() -> None:
            raw = world.memory[int(device)][: host.nbytes]
            host[:] = raw.view(host.dtype).reshape(host.shape)

        assert page_locked(host)
        world.enqueue(stream, Step(copy, (int(device),)))

    cuda.Error, cuda.Stream, cuda.mem_alloc = Error, Stream, Allocation
    cuda.Device = type("Device", (FakeDevice,), {"world": world})
    cuda.init = lambda: None
    cuda.get_driver_version = lambda: 12020
    cuda.pagelocked_empty = lambda shape, kind: np.asarray(HostAllocation(shape, kind))
    cuda.memcpy_htod_async, cuda.memcpy_dtoh_async = to_device, to_host
    return cuda
