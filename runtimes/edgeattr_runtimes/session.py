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
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import RuntimeFailure

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


class Session(Closeable, ABC):
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


class ShapedSessions(Closeable):
    """A network compiled once for each shape of its inputs: faster than one of free shape.

    Args:
        whole: the network; closed with this.
        outputs: names of those that are wanted, in order; all where absent.
    """

    def __init__(self, whole: Session, outputs: Sequence[str] | None = None) -> None:
        self.whole, self._outputs = whole, outputs
        self._sessions: dict[tuple[Any, ...], Session] = {}
        self._lock = threading.Lock()

    def of(self, shapes: Shapes) -> Session:
        """The session for inputs of these shapes; compiled now if they are new.

        Raises:
            RuntimeFailure: as :meth:`Session.fixed`.
        """
        key = tuple((name, *shape) for name, shape in sorted(shapes.items()))
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = self.whole.fixed(shapes, self._outputs)
            return self._sessions[key]

    def close(self) -> None:
        """Release the networks; runs come to their end. May be called twice."""
        with self._lock:
            for session in (self.whole, *self._sessions.values()):
                session.close()


def new_inputs(ports: Sequence[Port], shapes: Shapes) -> dict[str, Array]:
    """Memory for inputs: of the shapes given, and of the ports' own, in which free sides are 1."""
    return {
        port.name: np.zeros(
            shapes.get(port.name) or [side or 1 for side in port.shape], np.dtype(port.dtype)
        )
        for port in ports
    }
