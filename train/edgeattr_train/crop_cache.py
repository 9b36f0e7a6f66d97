"""Resized crops kept in memory, so that later epochs need not decode."""

from __future__ import annotations

import threading

from edgeattr.core.crops import Image

__all__ = ["CropCache"]


class CropCache:
    """Keeps crops up to a limit, by sample and size; what came first stays.

    Nothing is evicted: an epoch visits every sample once, in a new order, so that the crop just
    dropped would be asked for as soon as any other. A cache of half the data saves half the work.
    Safe to use from several threads, and shared between the epochs of one run.

    Args:
        limit_bytes: the most that crops may take; 0 keeps none.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit, self._used = limit_bytes, 0
        self._kept: dict[tuple[int, tuple[int, int]], Image] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, sample: int, size: tuple[int, int]) -> Image | None:
        """The crop of a sample id at a size (height, width), read-only, if it is kept."""
        return self._kept.get((sample, size))

    def put(self, sample: int, size: tuple[int, int], crop: Image) -> None:
        """Keep a copy of a crop, uint8 [height, width, 3], where there is room."""
        with self._lock:
            if self._used + crop.nbytes > self._limit or (sample, size) in self._kept:
                return
            kept = crop.copy()
            kept.flags.writeable = False
            self._kept[sample, size] = kept
            self._used += kept.nbytes
