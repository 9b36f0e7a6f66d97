"""One way to run a network: a Session, which each engine's module opens.

The attribute model's batches, detectors, the quantizer's runs and benches stand on it.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeattr.core.closing import Closing
from edgeattr.core.errors import InputError, RuntimeFailure, UsageError
from edgeattr.core.limits import available_cores

__all__ = [
    "Array",
    "Operation",
    "Port",
    "Session",
    "Shape",
    "Shapes",
    "Slot",
    "new_inputs",
    "open_session",
]

Shape = tuple[int | None, ...]
"""Sides of an array; None where a side is free."""

Shapes = Mapping[str, Sequence[int]]
"""Shapes of inputs, by name."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What computes an output."""

    kind: str  # as OpenVINO calls it, such as DetectionOutput
    attributes: Mapping[str, Any]
    inputs: tuple[Shape, ...]  # shapes of what it takes


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of a network."""

    names: frozenset[str]  # OpenVINO knows several
    shape: Shape
    dtype: str  # as NumPy calls it
    made_by: Operation | None = field(default=None, repr=False)  # where the engine tells

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{'/'.join(sorted(self.names)) or 'unnamed'} {self.dtype} [{sides}]"

    @property
    def name(self) -> str:
        """The first of its names in the alphabet."""
        return min(self.names, default="")


class Slot(Protocol):
    """Memory of one run at a time, and what runs it."""

    inputs: Mapping[str, Array]  # by the ports' names; to be filled

    def run(self, count: int | None = None) -> list[Array]:
        """Run on the first ``count`` rows of the inputs, all where absent.

        Returns:
            The session's outputs, in order; they last until the slot's next run.

        Raises:
            RuntimeFailure: the engine failed.
        """
        ...

    def close(self) -> None:
        """Release what is this slot's alone."""
        ...


class Session(Closing, ABC):
    """A compiled network. Any number of threads may use it, each a slot of its own.

    Attributes:
        engine: ``onnxruntime``, ``openvino``, ``tensorrt`` or ``torch``.
        inputs, outputs: of the network.
        arithmetic: of layers that are not INT8: ``f32``, ``f16`` or ``bf16``.
    """

    engine: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    arithmetic: str = "f32"

    def __init__(self) -> None:
        self._spare: deque[Slot] = deque()  # append and pop are safe among threads
        self._closed = threading.Event()

    @abstractmethod
    def fixed(self, shapes: Shapes, outputs: Sequence[str] | None = None) -> Session:
        """The same network for inputs of these shapes; free sides of other inputs become 1.

        Args:
            shapes: by name. The first side is the most rows of a run.
            outputs: names of those that are wanted, in order; all where absent.

        Raises:
            RuntimeFailure: the engine cannot run it so.
        """

    def picked(self, names: Sequence[str] | None) -> tuple[Port, ...]:
        """The outputs of these names, in this order; all where absent."""
        if names is None:
            return self.outputs
        return tuple(next(port for port in self.outputs if name in port.names) for name in names)

    @abstractmethod
    def slot(self) -> Slot:
        """New memory for one run at a time; the caller closes it before the session.

        Raises:
            RuntimeFailure: there is not enough memory.
        """

    @contextlib.contextmanager
    def lent(self) -> Iterator[Slot]:
        """A slot that nobody else uses meanwhile.

        Raises:
            RuntimeFailure: as :meth:`slot`, or the session was closed.
        """
        if self._closed.is_set():
            raise RuntimeFailure("this network was closed")
        try:
            slot = self._spare.pop()
        except IndexError:
            slot = self.slot()
        try:
            yield slot
        finally:
            self._spare.append(slot)
            if self._closed.is_set():
                self._close_spare()

    def run(self, arrays: Mapping[str, Array]) -> list[Array]:
        """Run on any number of rows, at least one, in batches of the session's size.

        Args:
            arrays: every input, by name; as many rows of each.

        Returns:
            The outputs in order.

        Raises:
            RuntimeFailure: the engine failed, or the session was closed.
        """
        count = len(next(iter(arrays.values())))
        parts = []
        with self.lent() as slot:
            size = len(next(iter(slot.inputs.values())))
            for start in range(0, count, size):
                rows = min(size, count - start)
                for name, array in arrays.items():
                    slot.inputs[name][:rows] = array[start : start + rows]
                parts.append([found.copy() for found in slot.run(rows)])
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(found) for found in zip(*parts, strict=True)]

    def close(self) -> None:
        """Release it; runs come to their end. May be called twice."""
        self._closed.set()
        self._close_spare()

    def _close_spare(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._spare.pop().close()


def new_inputs(ports: Sequence[Port], shapes: Shapes) -> dict[str, Array]:
    """Memory for inputs: of the shapes given, and of the ports' own, in which free sides are 1."""
    return {
        port.name: np.zeros(
            shapes.get(port.name) or [side or 1 for side in port.shape], np.dtype(port.dtype)
        )
        for port in ports
    }


def open_session(path: Path, *, engine: str = "auto", threads: int | None = None) -> Session:
    """Open an ONNX file or an OpenVINO IR; its content tells which it is, not its name.

    Args:
        path: the ONNX file, or the IR's XML with the weights beside it.
        engine: ``onnxruntime``, ``openvino``, ``tensorrt``, or ``auto``: ONNX Runtime for ONNX
            files, which OpenVINO does not run faster by as much as 15 %
            (``benchmarks/detectors.py``), and OpenVINO for its IR.
        threads: that one run may use; all cores where absent.

    Raises:
        InputError: no such file, or an IR without its weights.
        UsageError: no such engine, or one that cannot read this kind of file.
        MissingDependency: the engine is not installed.
        RuntimeFailure: the engine cannot read it.
    """
    if engine not in ("auto", "onnxruntime", "openvino", "tensorrt"):
        raise UsageError(
            f"no engine {engine!r} for detectors; known: auto, onnxruntime, openvino, tensorrt"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such detector file")
    if _is_ir(path):
        if engine not in ("auto", "openvino"):
            raise UsageError(f"{path} is an OpenVINO IR, which {_NAMES[engine]} cannot run")
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise InputError(f"{path}: its weights are missing; {weights.name} belongs beside it")
        engine = "openvino"
    if engine == "openvino":
        from edgeattr_runtimes.openvino_engine import OpenvinoSession

        each = threads or available_cores()
        streams = max(1, available_cores() // each)
        # threads that are not pinned may leave a core where frames are being decoded
        return OpenvinoSession(path, threads=each * streams, streams=streams, pinning=False)
    if engine == "tensorrt":
        from edgeattr_runtimes.tensorrt_engine import OnnxFileSession

        return OnnxFileSession(path)
    from edgeattr_runtimes.onnx_engine import OnnxSession

    return OnnxSession(path, threads=threads)


_NAMES = {"onnxruntime": "ONNX Runtime", "tensorrt": "TensorRT"}


def _is_ir(path: Path) -> bool:
    with open(path, "rb") as stream:
        head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith((b"<?xml", b"<net"))
