"""What all engines do alike: a call is split into batches, and batches run at once."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import queue
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.protocol import (
    Arrays,
    Fill,
    Outputs,
    RuntimeInfo,
    batch_size,
    check_crops,
    joined_outputs,
    known_name,
)
from edgeattr_runtimes.session import Session, Slot

_LONGEST_RUN = 10.0  # seconds that closing waits for a call that may have been interrupted

_Work = Callable[[Slot, int, int], Arrays]


class Engine(Closeable):
    """A variant that is loaded. Engines derive from it, and bring their sessions.

    Args:
        bundle: the model.
        variant: which of its files is loaded.
        session: takes a batch in its one input; its outputs are in the order of
            :func:`edgeattr_runtimes.protocol.output_names`. Closed with this.
        streams: batches that run at once, each in a slot of its own.
        alone: a session that has all threads for itself, for calls of one batch while nothing
            else runs; one of ``session``'s slots where absent. Closed with this.
        version, device, threads: see :class:`edgeattr_runtimes.protocol.RuntimeInfo`.
    """

    def __init__(
        self,
        bundle: Bundle,
        variant: Variant,
        session: Session,
        streams: int,
        alone: Session | None = None,
        *,
        version: str,
        device: str,
        threads: int,
    ) -> None:
        self.sessions = (session, alone) if alone else (session,)
        self._size = bundle.input.height, bundle.input.width
        self._attributes = len(bundle.schema)
        self._outputs = [known_name(port.names) for port in session.outputs]
        self._streams = streams
        self._slots: list[Slot] = []
        with contextlib.ExitStack() as unless_made:
            for each in self.sessions:
                unless_made.callback(each.close)
            for _ in range(streams):
                self._slots.append(session.slot())
                unless_made.callback(self._slots[-1].close)
            self._alone = alone.slot() if alone else None
            unless_made.pop_all()
        self._batch = len(_memory(self._slots[0]))
        self._about = RuntimeInfo(
            engine=session.engine,
            version=version,
            device=device,
            precision=variant.precision,
            threads=threads,
            streams=streams,
            batch=self._batch,
            arithmetic=session.arithmetic,
        )
        self._idle: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in self._slots:
            self._idle.put(slot)
        self._alone_is_used = threading.Lock()
        self._lock = threading.Lock()  # for the next one
        self._busy = 0  # workers
        self._closed = False
        self._closing = threading.RLock()  # a signal's handler may close while closing
        self._process = os.getpid()
        self._workers = concurrent.futures.ThreadPoolExecutor(
            streams, thread_name_prefix="edgeattr"
        )

    def infer(self, crops: npt.NDArray[np.uint8]) -> Outputs:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.infer`."""
        check_crops(crops, *self._size)
        return self._infer(len(crops), _given(crops))

    def infer_filled(self, count: int, fill: Fill) -> Outputs:
        """See :meth:`edgeattr_runtimes.protocol.Runtime.infer_filled`."""
        return self._infer(count, _filled(fill))

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
            while self._slots:
                self._slots[-1].close()
                self._slots.pop()
            self._idle = queue.SimpleQueue()
            for session in self.sessions:
                session.close()

    def _infer(self, count: int, work: _Work) -> Outputs:
        self._check_usable()
        spans, work = self._spans(count), work if count else self._blank
        found = self._run_alone(work, spans[0]) if len(spans) == 1 else None
        parts = self._at_once(work, spans) if found is None else [found]
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

    def _blank(self, slot: Slot, start: int, stop: int) -> Arrays:
        """What no crops give: what one gives, without its row."""
        return [array[:0] for array in _copies(slot, 1)]

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
        """One batch, in a worker: Ctrl-C reaches the main thread alone, so no slot gets lost."""
        slot = self._idle.get()
        with self._lock:
            self._busy += 1
        try:
            return work(slot, *span)
        finally:
            with self._lock:
                self._busy -= 1
            self._idle.put(slot)


def _given(crops: npt.NDArray[np.uint8]) -> _Work:
    def work(slot: Slot, start: int, stop: int) -> Arrays:
        _memory(slot)[: stop - start] = crops[start:stop]
        return _copies(slot, stop - start)

    return work


def _filled(fill: Fill) -> _Work:
    def work(slot: Slot, start: int, stop: int) -> Arrays:
        fill(start, _memory(slot)[: stop - start])
        return _copies(slot, stop - start)

    return work


def _memory(slot: Slot) -> npt.NDArray[np.uint8]:
    """Where a batch is put together, [B, H, W, 3]."""
    (crops,) = slot.inputs.values()
    return crops


def _copies(slot: Slot, count: int) -> Arrays:
    return [found.astype(np.float32) for found in slot.run(count)]


def _closed() -> RuntimeFailure:
    return RuntimeFailure("this model was closed; load it again")
