"""Crops of one stream that are with the model, frame by frame."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Sequence
from typing import NamedTuple

from edgeattr.video.batcher import Batcher, Readings
from edgeattr.video.track_manager import CropRequest, TrackManager

__all__ = ["PendingCrops"]


class _Frame(NamedTuple):
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
        self._frames: collections.deque[_Frame] = collections.deque()

    def request(self, requests: list[CropRequest]) -> None:
        """Send the crops of one frame, of which there may be none."""
        if not requests:
            self._frames.append(_Frame([], None))
            return
        crops, worth = [entry.crop for entry in requests], [entry.worth for entry in requests]
        answer = self._batcher.submit(crops, worth, declinable=self._declinable)
        self._frames.append(_Frame(requests, answer))

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
