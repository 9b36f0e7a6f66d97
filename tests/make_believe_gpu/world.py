"""The state of the make-believe GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Answer = Callable[[bytes, npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""The ONNX file that an engine was built of, and crops [n, H, W, 3], to logits [n, C]."""


@dataclass
class World:
    """The state of the make-believe GPU: what was called, and what should go wrong."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    outputs: tuple[str, ...] = ("logits", "attention")
    columns: int = 35  # of the logits
    dtype: str = "FLOAT"  # of the logits
    parser_errors: tuple[str, ...] = ()
    gpu_error: str = ""  # Builder and Runtime cannot be made
    build_error: str = ""
    refused: int = 0  # plans that the runtime refuses before it takes one
    run_error: str = ""
    context_error: str = ""
    memory_error: bool = False
    memory: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict)  # on the GPU
    host_memory: int = 0  # page-locked pieces that are not freed
    pause: Callable[[], None] = lambda: None  # while building
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
