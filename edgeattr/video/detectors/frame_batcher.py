"""Frames of several cameras go through a detector's network together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FrameBatcher"]

_Floats = npt.NDArray[np.float32]
_Run = Callable[[npt.NDArray[np.uint8]], tuple[_Floats, _Floats]]


@dataclass(eq=False)
class _Request:
    frame: npt.NDArray[np.uint8]  # [1, H, W, 3]
    found: Any = None  # boxes [K, 4] and scores [K]
    error: BaseException | None = None
    answered: bool = False


class FrameBatcher:
    """Runs what threads ask for meanwhile as one batch, with no thread of its own.

    One of those who wait runs the oldest frame and all others of its shape, while the rest wait.

    Args:
        run: frames [N, H, W, 3] to boxes [N, K, 4] and scores [N, K].
        batch: frames a call, at most.
    """

    def __init__(self, run: _Run, batch: int) -> None:
        self._run, self._batch = run, batch
        self.waiting: list[_Request] = []
        self._changed = threading.Condition()
        self._busy = False

    def __call__(self, frame: npt.NDArray[np.uint8]) -> tuple[_Floats, _Floats]:
        """Boxes [K, 4] and scores [K] of one frame, [1, H, W, 3].

        Raises:
            Exception: what ``run`` raises.
        """
        request = _Request(frame)
        with self._changed:
            self.waiting.append(request)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: request.answered or not self._busy)
                if request.answered:
                    break
                self._busy, taken = True, self._take()
            self._answer(taken)
        if request.error is not None:
            raise request.error
        boxes, scores = request.found
        return boxes, scores

    def _take(self) -> list[_Request]:
        shape = self.waiting[0].frame.shape
        alike = [request for request in self.waiting if request.frame.shape == shape]
        taken = alike[: self._batch]
        self.waiting = [request for request in self.waiting if request not in taken]
        return taken

    def _answer(self, taken: list[_Request]) -> None:
        try:
            boxes, scores = self._run(np.concatenate([request.frame for request in taken]))
            for place, request in enumerate(taken):
                request.found = boxes[place], scores[place]
        except BaseException as error:  # whoever asked must hear of it
            for request in taken:
                request.error = error
        finally:
            with self._changed:
                for request in taken:
                    request.answered = True
                self._busy = False
                self._changed.notify_all()
