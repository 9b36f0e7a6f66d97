"""Networks that other people exported, for a picture at a time: what detectors run on.

A bundle says what its variants take and give. An ONNX file or an OpenVINO IR does not, so inputs
and outputs are read off the network, and what turns a picture into its input is added to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError, UsageError

__all__ = ["Network", "Operation", "Picture", "Port", "Prepared", "Slot", "Spares", "open_network"]

Shape = tuple[int | None, ...]
"""Sides of an array; None where a side is free."""

Array = npt.NDArray[Any]
_T = TypeVar("_T")


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


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What a network's input for a picture, [1, 3, height, width], holds."""

    name: str  # of the input
    height: int  # rows
    width: int  # columns
    rgb: bool = False  # red first instead of blue
    scale: float = 1.0  # pixels of 0..255 are multiplied by this


class Slot(Protocol):
    """Memory for one call."""

    picture: npt.NDArray[np.uint8]  # [height, width, 3], blue-green-red; to be filled

    def run(self, others: Mapping[str, Array]) -> list[Array]:
        """All outputs, in the network's order; they last until the slot is given back.

        Args:
            others: the network's other inputs.
        """
        ...


class Prepared(Protocol):
    """A network that takes pictures. Any number of threads may each use a slot of its own."""

    def slot(self) -> AbstractContextManager[Slot]:
        """Lend memory for one call."""
        ...


class Network(Protocol):
    """A network as its file has it."""

    engine: str  # onnxruntime or openvino
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def prepare(self, picture: Picture) -> Prepared:
        """Make it take pictures; free sides of other inputs become 1."""
        ...


class Spares(Generic[_T]):
    """Lends things that one call at a time may use, and makes more when all are lent."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._spare: deque[_T] = deque()  # append and pop are safe among threads

    @contextmanager
    def slot(self) -> Iterator[_T]:
        """Lend one."""
        try:
            lent = self._spare.pop()
        except IndexError:
            lent = self._make()
        try:
            yield lent
        finally:
            self._spare.append(lent)


def open_network(path: Path, *, engine: str = "auto", threads: int | None = None) -> Network:
    """Read an ONNX file or an OpenVINO IR; its content tells which it is, not its name.

    Args:
        path: the ONNX file, or the IR's XML with the weights beside it.
        engine: ``onnxruntime``, ``openvino``, or ``auto``: ONNX Runtime for ONNX files, which
            OpenVINO does not run faster by as much as 15 % (``benchmarks/detectors.py``), and
            OpenVINO for its IR.
        threads: that one call may use; all cores where absent.

    Raises:
        InputError: no such file, or an IR without its weights.
        UsageError: no such engine, or one that cannot read this kind of file.
        MissingDependency: the engine is not installed.
        RuntimeFailure: the engine cannot read it.
    """
    from edgeattr_runtimes.onnx_network import OnnxNetwork
    from edgeattr_runtimes.openvino_network import OpenvinoNetwork

    if engine not in ("auto", "onnxruntime", "openvino"):
        raise UsageError(f"no engine {engine!r} for detectors; known: auto, onnxruntime, openvino")
    if not path.is_file():
        raise InputError(f"{path}: no such detector file")
    if _is_ir(path):
        if engine == "onnxruntime":
            raise UsageError(f"{path} is an OpenVINO IR, which ONNX Runtime cannot run")
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise InputError(f"{path}: its weights are missing; {weights.name} belongs beside it")
        return OpenvinoNetwork(path, threads)
    return OpenvinoNetwork(path, threads) if engine == "openvino" else OnnxNetwork(path, threads)


def _is_ir(path: Path) -> bool:
    with open(path, "rb") as stream:
        head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith((b"<?xml", b"<net"))
