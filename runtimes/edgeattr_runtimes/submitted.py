"""A call that goes on by itself: its batches run one after the other on an engine's workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

import numpy as np
import numpy.typing as npt

from edgeattr_runtimes.protocol import Outputs

__all__ = ["Arrays", "SubmittedCall"]

Arrays = list[npt.NDArray[np.float32]]
Span = tuple[int, int]  # crops of a batch: the first, and the one after the last


class SubmittedCall:
    """Runs batches without anybody waiting for them.

    A worker that has ended a batch puts the call behind whatever else waits, so that calls take
    turns, and no worker ever waits for another one.

    Args:
        spans: the batches.
        run: scores one of them.
        join: makes the result of all of them, in order.

    Attributes:
        future: of the result. It can be cancelled until the first batch runs.
    """

    def __init__(
        self,
        spans: Sequence[Span],
        run: Callable[[Span], Arrays],
        join: Callable[[list[Arrays]], Outputs],
    ) -> None:
        self.future: Future[Outputs] = Future()
        self._spans, self._run, self._join = spans, run, join
        self._parts: list[Arrays] = [[] for _ in spans]
        self._lock = threading.Lock()  # for the next three
        self._begun = 0  # batches
        self._running = 0  # batches
        self._error: BaseException | None = None  # the first

    def start(self, workers: Executor, at_once: int) -> None:
        """Begin.

        Args:
            workers: where batches run.
            at_once: how many of them.

        Raises:
            RuntimeError: the workers take nothing any more.
        """
        if not self._spans:
            self.future.set_running_or_notify_cancel()
            self.future.set_result(self._join([]))
        for number in range(min(at_once, len(self._spans))):
            try:
                workers.submit(self._step, workers)
            except RuntimeError:
                if number == 0:
                    with self._lock:
                        self._begun = len(self._spans)  # whatever is left in the queue: no more
                    raise
                return  # those that were taken do it all

    def _step(self, workers: Executor) -> None:
        """A batch, in a worker, and then the next one, behind what waits already."""
        while (index := self._begin()) is not None:
            error = None
            try:
                self._parts[index] = self._run(self._spans[index])
            except BaseException as raised:
                error = raised
            if self._was_last(error):
                self._end()
                return
            try:
                workers.submit(self._step, workers)
                return
            except RuntimeError:  # the engine is being closed, and waits for this worker
                continue

    def _begin(self) -> int | None:
        """The next batch's number; nothing where there is none, or none is wanted any more."""
        with self._lock:
            if self._error or self._begun == len(self._spans):
                return None
            if self._begun == 0 and not self.future.set_running_or_notify_cancel():
                self._begun = len(self._spans)
                return None
            self._begun += 1
            self._running += 1
            return self._begun - 1

    def _was_last(self, error: BaseException | None) -> bool:
        """Whether no batch runs any more, and none will."""
        with self._lock:
            self._running -= 1
            self._error = self._error or error
            return not self._running and bool(self._error or self._begun == len(self._spans))

    def _end(self) -> None:
        if self._error is None:
            try:
                self.future.set_result(self._join(self._parts))
                return
            except Exception as error:  # no memory to put them together
                self._error = error
        self.future.set_exception(self._error)
