"""The state of the make-believe GPU."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import default_bundle

Answer = Callable[[bytes, npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""The ONNX file that an engine was built of, and crops [n, H, W, 3], to logits [n, C]."""


@dataclass(frozen=True)
class Step:
    """A piece of work on a stream, done when somebody waits for the stream."""

    do: Callable[[], None]
    addresses: tuple[int, ...]  # of the GPU's memory that it uses


class Stream:
    """A CUDA stream; PyCUDA's class of this name derives from it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.waiting: list[Step] = []


@dataclass
class World:
    """The state of the make-believe GPU: what was called, and what should go wrong."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    outputs: tuple[str, ...] = ("logits", "attention")
    columns: int = len(Bundle.read(default_bundle()).schema)  # of the logits
    dtype: str = "FLOAT"  # of the logits
    input_dtype: str = "UINT8"  # of the crops
    parser_errors: tuple[str, ...] = ()
    gpu_error: str = ""  # Builder and Runtime cannot be made
    build_error: str = ""
    refused: int = 0  # plans that the runtime refuses before it takes one
    run_error: str = ""
    context_error: str = ""
    context_limit: int = 0  # contexts that can be made before `context_error`
    allocation_limit: int = 1000  # pieces of the GPU's memory that there is room for
    memory: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict)  # on the GPU
    host_memory: int = 0  # page-locked pieces that are not freed
    contexts: list[weakref.ref[Any]] = field(default_factory=list)
    streams: weakref.WeakValueDictionary[int, Stream] = field(
        default_factory=weakref.WeakValueDictionary
    )
    batches: list[tuple[int, int]] = field(default_factory=list)  # stream and size of every run
    meet: Callable[[], Any] = lambda: None  # while a batch computes
    pause: Callable[[], None] = lambda: None  # while building
    real: bool = False  # engines are what ONNX Runtime makes of their ONNX file
    answer: Answer | None = None  # what engines answer, if not a crop's mean
    depth: threading.local = field(default_factory=threading.local)  # contexts on a thread's stack
    most: int = 0  # contexts that were ever on one stack

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of this name, in order."""
        return [arguments for called, arguments in self.calls if called == name]

    def active(self) -> int:
        return getattr(self.depth, "count", 0)

    def push(self, step: int) -> None:
        self.depth.count = self.active() + step
        self.most = max(self.most, self.depth.count)

    def live_contexts(self) -> list[Any]:
        """TensorRT's execution contexts that were not released."""
        return [context for ref in self.contexts if (context := ref()) is not None]

    def enqueue(self, stream: Stream, step: Step) -> None:
        """Put it on the stream."""
        assert self.active(), "no CUDA context is current"
        stream.waiting.append(step)

    def in_use(self, address: int) -> bool:
        """Whether work that waits uses this piece of the GPU's memory."""
        waiting = (step for stream in self.streams.values() for step in stream.waiting)
        return any(address in step.addresses for step in waiting)

    def nothing_is_held(self) -> bool:
        """Whether all that was taken was given back."""
        held = (self.memory, self.host_memory, self.live_contexts(), self.streams)
        return not any(held)
