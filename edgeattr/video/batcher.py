"""Crops of all cameras go through the model together; those of a stream are answered in order."""

from __future__ import annotations

import collections
import concurrent.futures
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.core.errors import RuntimeFailure
from edgeattr.model import AttributeModel
from edgeattr.video.track_manager import CropReading, CropRequest, TrackManager

_LONGEST_CALL = 5.0  # seconds that closing waits for the model

Readings = list[CropReading | None]
"""One entry a crop; None where the crop was declined."""


@dataclass(eq=False)
class _Request:
    """The crops of one frame."""

    crops: Sequence[Image]
    worth: Sequence[float]  # how much is learnt from each
    declinable: bool  # of a live stream: may go without an answer under load
    answer: concurrent.futures.Future[Readings]
    taken: list[bool]


class Batcher(Closeable):
    """Collects crops while the model is at work, and runs them as one batch when it is free.

    At most ``waiting`` crops wait. Beyond that the least worthwhile crops of live streams are
    declined, so that a load that is too high costs crops, not time; crops of files wait, since
    their streams do.

    Args:
        model: reads attributes off crops.
        batch: crops a call, at most.
        waiting: crops of live streams that may wait.
    """

    def __init__(self, model: AttributeModel, *, batch: int = 64, waiting: int = 128) -> None:
        self._model, self._batch, self._most = model, batch, waiting
        self._requests: list[_Request] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="classify", daemon=True)
        self._thread.start()

    def submit(
        self, crops: Sequence[Image], worth: Sequence[float], *, declinable: bool
    ) -> concurrent.futures.Future[Readings]:
        """Have the crops of one frame read.

        Args:
            crops: of people, any size; they must not change until the answer is there.
            worth: how much is learnt from each; the least is declined first.
            declinable: whether they may go without an answer.

        Raises:
            RuntimeFailure: the batcher was closed.
        """
        request = _Request(
            crops, worth, declinable, concurrent.futures.Future(), [True] * len(crops)
        )
        with self._changed:
            if self._closed:
                raise RuntimeFailure("the pipeline was closed")
            self._requests.append(request)
            self._decline()
            self._changed.notify()
        return request.answer

    def close(self) -> None:
        """Answer what waits, then end; a hung engine is not waited for. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_LONGEST_CALL)

    def _decline(self) -> None:
        """Keep the crops of live streams that wait below the most there may be."""
        open_ = [
            (request.worth[place], number, place)
            for number, request in enumerate(self._requests)
            if request.declinable
            for place, taken in enumerate(request.taken)
            if taken
        ]
        if len(open_) <= self._most:
            return
        for _, number, place in sorted(open_)[: len(open_) - self._most]:
            self._requests[number].taken[place] = False

    def _work(self) -> None:
        while requests := self._next():
            try:
                self._answer(requests)
            except BaseException as error:  # whoever asked must hear of it
                for request in requests:
                    if not request.answer.done():
                        request.answer.set_exception(error)

    def _next(self) -> list[_Request]:
        """Requests that make up a batch, oldest first; none once closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._requests or self._closed)
            count, crops = 0, 0
            for request in self._requests:
                crops += sum(request.taken)
                if count and crops > self._batch:
                    break
                count += 1
            taken, self._requests = self._requests[:count], self._requests[count:]
            return taken

    def _answer(self, requests: list[_Request]) -> None:
        crops = [
            crop
            for request in requests
            for crop, taken in zip(request.crops, request.taken, strict=True)
            if taken
        ]
        rows = iter(self._read(crops) if crops else ())
        for request in requests:
            request.answer.set_result([next(rows) if taken else None for taken in request.taken])

    def _read(self, crops: Sequence[Image]) -> Iterator[CropReading]:
        found = self._model.read(crops)
        if found.embedding is None:
            return map(CropReading, found.logits)
        return map(CropReading, found.logits, found.embedding)


class _Pending(NamedTuple):
    requests: Sequence[CropRequest]
    answer: concurrent.futures.Future[Readings] | None  # none where nothing was asked


class PendingCrops:
    """Queue of the frames whose crops have no answers yet.

    Args:
        batcher: takes crops.
        people: takes the answers.
        declinable: whether crops may be declined under load.
    """

    def __init__(self, batcher: Batcher, people: TrackManager, *, declinable: bool) -> None:
        self._batcher, self._people, self._declinable = batcher, people, declinable
        self._frames: collections.deque[_Pending] = collections.deque()

    def request(self, requests: list[CropRequest]) -> None:
        """Send the crops of one frame, of which there may be none."""
        if not requests:
            self._frames.append(_Pending([], None))
            return
        crops, worth = [entry.crop for entry in requests], [entry.worth for entry in requests]
        answer = self._batcher.submit(crops, worth, declinable=self._declinable)
        self._frames.append(_Pending(requests, answer))

    def collect(self, *, late: int) -> None:
        """Take in the answers for all but the last so many frames; waits for them."""
        while len(self._frames) > late:
            frame = self._frames.popleft()
            if frame.answer is not None:
                self._people.add_readings(frame.requests, frame.answer.result())

    def drop(self) -> None:
        """Give up the answers that are under way."""
        for frame in self._frames:
            self._people.add_readings(frame.requests, [None] * len(frame.requests))
        self._frames.clear()
