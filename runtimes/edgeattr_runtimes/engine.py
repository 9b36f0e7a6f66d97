"""What all engines do alike: a call is split into batches, and batches run at once."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.closing import Closing
from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.protocol import (
    Fill,
    Outputs,
    RuntimeInfo,
    batch_size,
    check_crops,
    joined_outputs,
)
from edgeattr_runtimes.submitted import Arrays, SubmittedCall

__all__ = ["Arrays", "Engine", "InferRequest"]

_LONGEST_RUN = 10.0  # seconds that closing waits for a call that may have been interrupted

_Work = Callable[["InferRequest", int, int], Arrays]


class InferRequest(Protocol):
    """A place in an engine where one batch can run while other batches run in theirs."""

    buffer: npt.NDArray[np.uint8]  # [B, H, W, 3]: where the crops of a batch are put together

    def run(self, crops: npt.NDArray[np.uint8]) -> Arrays:
        """Score 1 to B crops.

        Args:
            crops: uint8 [n, H, W, 3], contiguous; may be the first part of ``buffer``.

        Returns:
            The outputs in the order of :func:`edgeattr_runtimes.protocol.output_names`, in memory
            that no later run changes.

        Raises:
            RuntimeFailure: the engine failed.
        """
        ...

    def close(self) -> None:
        """Release what is this request's alone."""
        ...


class Engine(Closing):
    """A variant that is loaded. Engines derive from it, and bring their requests.

    Args:
        bundle: the model.
        variant: which of its files is loaded.
        requests: what batches run in, as many at once as there are.
        alone: a request that has all threads for itself, for calls of one batch while nothing
            else runs; one of ``requests`` where absent.
        engine, version, device, threads, arithmetic: see
            :class:`edgeattr_runtimes.protocol.RuntimeInfo`.
        outputs: names of what requests give, in their order.
    """

    def __init__(
        self,
        bundle: Bundle,
        variant: Variant,
        requests: Sequence[InferRequest],
        alone: InferRequest | None = None,
        *,
        engine: str,
        version: str,
        device: str,
        threads: int,
        outputs: Sequence[str] = ("logits",),
        arithmetic: str = "f32",
    ) -> None:
        self._size = bundle.input.height, bundle.input.width
        self._attributes, self._outputs = len(bundle.schema), tuple(outputs)
        self._streams = len(requests)
        self._batch = len(requests[0].buffer)
        self._about = RuntimeInfo(
            engine=engine,
            version=version,
            device=device,
            precision=variant.precision,
            threads=threads,
            streams=self._streams,
            batch=self._batch,
            arithmetic=arithmetic,
        )
        self._requests = list(requests)
        self._idle: queue.SimpleQueue[InferRequest] = queue.SimpleQueue()
        for request in requests:
            self._idle.put(request)
        self._alone = alone
        self._alone_is_used = threading.Lock()
        self._lock = threading.Lock()  # for the next one
        self._busy = 0  # workers
        self._closed = False
        self._closing = threading.RLock()  # a signal's handler may close while closing
        self._process = os.getpid()
        self._workers = concurrent.futures.ThreadPoolExecutor(
            len(requests), thread_name_prefix="edgeattr"
        )

    def infer(self, crops: npt.NDArray[np.uint8]) -> Outputs:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.infer`."""
        check_crops(crops, *self._size)
        return self._infer(len(crops), _given(crops))

    def infer_filled(self, count: int, fill: Fill) -> Outputs:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.infer_filled`."""
        return self._infer(count, _filled(fill))

    def submit(self, crops: npt.NDArray[np.uint8]) -> concurrent.futures.Future[Outputs]:
        """See :meth:`edgeattr_runtimes.protocol.AsyncRuntime.submit`."""
        check_crops(crops, *self._size)
        return self._begin(len(crops), _given(crops))

    def submit_filled(self, count: int, fill: Fill) -> concurrent.futures.Future[Outputs]:
        """See :meth:`edgeattr_runtimes.protocol.AsyncRuntime.submit_filled`."""
        return self._begin(count, _filled(fill))

    def describe(self) -> RuntimeInfo:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.describe`."""
        return self._about

    def close(self) -> None:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.close`."""
        if os.getpid() != self._process:
            return  # its threads and its engine stayed in the parent process
        self._closed = True
        with self._closing:  # one that is interrupted can be called again
            self._workers.shutdown()
            if self._alone:
                self._alone_is_used.acquire(timeout=_LONGEST_RUN)
                self._alone.close()
                self._alone = None
            while self._requests:
                self._requests[-1].close()
                self._requests.pop()
            self._idle = queue.SimpleQueue()

    def _infer(self, count: int, work: _Work) -> Outputs:
        self._check_usable()
        spans, work = self._spans(count), work if count else self._blank
        found = self._run_alone(work, spans[0]) if len(spans) == 1 else None
        parts = self._at_once(work, spans) if found is None else [found]
        return self._joined(parts)

    def _begin(self, count: int, work: _Work) -> concurrent.futures.Future[Outputs]:
        """The same, without waiting for it."""
        self._check_usable()
        spans, work = self._spans(count), work if count else self._blank

        def run(span: tuple[int, int]) -> Arrays:
            found = self._run_alone(work, span) if len(spans) == 1 else None
            return self._run(work, span) if found is None else found

        call = SubmittedCall(spans, run, self._joined)
        try:
            call.start(self._workers, self._streams)
        except RuntimeError as error:
            raise self._no_workers(error) from error
        return call.future

    def _joined(self, parts: Sequence[Arrays]) -> Outputs:
        return joined_outputs(parts, self._outputs, self._attributes)

    def _check_usable(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeFailure(
                "this model was loaded in the process that this one was forked from; load it here"
            )
        if self._closed:
            raise _closed()

    def _spans(self, count: int) -> list[tuple[int, int]]:
        """Where batches start and stop: no larger than they may be, and work for every stream.

        A call without crops runs an empty one where only that tells the shapes of all outputs.
        """
        if count == 1:
            return [(0, 1)]
        if not count:
            return [(0, 0)] if len(self._outputs) > 1 else []
        size = batch_size(count, self._batch, self._streams)
        return [(start, min(start + size, count)) for start in range(0, count, size)]

    def _blank(self, request: InferRequest, start: int, stop: int) -> Arrays:
        """What no crops give: what one gives, without its row."""
        crop: npt.NDArray[np.uint8] = np.zeros((1, *self._size, 3), np.uint8)
        return [array[:0] for array in request.run(crop)]

    def _at_once(self, work: _Work, spans: list[tuple[int, int]]) -> list[Arrays]:
        waiting: collections.deque[concurrent.futures.Future[Arrays]] = collections.deque()
        parts = []
        try:
            for span in spans:
                if len(waiting) == 2 * self._streams:  # no more, so that calls take turns
                    parts.append(waiting[0].result())
                    waiting.popleft()
                waiting.append(self._submit(work, span))
            while waiting:
                parts.append(waiting[0].result())
                waiting.popleft()
        except BaseException:
            for future in waiting:
                future.cancel()
            concurrent.futures.wait(waiting)  # nothing may use the crops after the call
            raise
        return parts

    def _submit(self, work: _Work, span: tuple[int, int]) -> concurrent.futures.Future[Arrays]:
        try:
            return self._workers.submit(self._run, work, span)
        except RuntimeError as error:
            raise self._no_workers(error) from error

    def _no_workers(self, error: RuntimeError) -> RuntimeFailure:
        if self._closed:
            return _closed()
        return RuntimeFailure(f"no more threads can be started: {error}")

    def _run_alone(self, work: _Work, span: tuple[int, int]) -> Arrays | None:
        """A call's only batch, with all threads; nothing is done where others run."""
        if not self._alone or self._busy or not self._alone_is_used.acquire(blocking=False):
            return None
        try:
            assert self._alone  # closing waits for the lock
            return work(self._alone, *span)
        finally:
            self._alone_is_used.release()

    def _run(self, work: _Work, span: tuple[int, int]) -> Arrays:
        """One batch, in a worker: Ctrl-C reaches the main thread alone, so no request gets lost."""
        request = self._idle.get()
        with self._lock:
            self._busy += 1
        try:
            return work(request, *span)
        finally:
            with self._lock:
                self._busy -= 1
            self._idle.put(request)


def _given(crops: npt.NDArray[np.uint8]) -> _Work:
    def work(request: InferRequest, start: int, stop: int) -> Arrays:
        return request.run(np.ascontiguousarray(crops[start:stop]))

    return work


def _filled(fill: Fill) -> _Work:
    def work(request: InferRequest, start: int, stop: int) -> Arrays:
        part = request.buffer[: stop - start]
        fill(start, part)
        return request.run(part)

    return work


def _closed() -> RuntimeFailure:
    return RuntimeFailure("this model was closed; load it again")
