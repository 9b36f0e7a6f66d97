"""Batches of crops for the training step, in an order that depends on the seed alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgeattr.core.crops import Image, resize_crop
from edgeattr.core.schema import PARTS
from edgeattr_train.crop_cache import CropCache
from edgeattr_train.data.datasets import AttributeDataset
from edgeattr_train.transforms import Augmentation, augment

__all__ = ["Batch", "batches", "training_order"]

_AHEAD = 2  # batches that are made while one is used
_TASK = 8  # images of one task: enough to hide the cost of handing it over

_Positions = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """One step's data."""

    crops: Tensor  # uint8 [n, H, W, 3], BGR
    labels: Tensor  # float32 [n, C]: 1 yes, 0 no, -1 unknown or not to be seen
    ids: npt.NDArray[np.int64]  # [n]
    visible: Tensor  # float32 [n, 4], parts of the body: 1 in the picture, 0 not, -1 unknown


def training_order(count: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation of 0..count-1 for an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(count).astype(np.int64)


def batches(
    data: AttributeDataset,
    order: npt.NDArray[np.int64],
    size: tuple[int, int],
    batch: int,
    *,
    augmentation: Augmentation | None = None,
    seed: tuple[int, int] = (0, 0),
    threads: int = 2,
    cache: CropCache | None = None,
) -> Iterator[Batch]:
    """Decode, resize and augment, a few batches ahead of the step.

    Args:
        data: where the crops come from.
        order: positions in ``data``; a short last batch is given as it is.
        size: height and width, pixels.
        batch: images a batch.
        augmentation: what to vary; nothing where absent.
        seed: run seed and epoch; with a sample's id it decides that sample's augmentation.
        threads: decoding threads (OpenCV releases the GIL).
        cache: resized crops of earlier epochs; what is missing in it is added.

    Raises:
        InputError: an image cannot be decoded; the text names its file.
    """

    source = _Source(data, size, augmentation, seed, cache)
    pool = ThreadPoolExecutor(threads)
    try:
        with _one_thread_per_call():
            waiting: list[_Pending] = []
            for first in range(0, len(order), batch):
                waiting.append(source.start(pool, order[first : first + batch]))
                if len(waiting) > _AHEAD:
                    yield source.finish(waiting.pop(0))
            for pending in waiting:
                yield source.finish(pending)
    finally:
        pool.shutdown(cancel_futures=True)


class _Pending(NamedTuple):
    """A batch in the making."""

    positions: _Positions
    crops: npt.NDArray[np.uint8]  # filled by the tasks, like the next two
    visible: npt.NDArray[np.float32]
    coloured: npt.NDArray[np.bool_]
    tasks: list[Future[None]]


@dataclass(frozen=True, eq=False)
class _Source:
    """Makes batches in the threads of a pool."""

    data: AttributeDataset
    size: tuple[int, int]
    augmentation: Augmentation | None
    seed: tuple[int, int]
    cache: CropCache | None

    def start(self, pool: ThreadPoolExecutor, positions: _Positions) -> _Pending:
        """Hand a batch to the pool."""
        crops = np.empty((len(positions), *self.size, 3), np.uint8)
        visible = np.ones((len(positions), len(PARTS)), np.float32)
        coloured = np.ones(len(positions), np.bool_)
        pending = _Pending(positions, crops, visible, coloured, [])
        for first in range(0, len(positions), _TASK):
            places = range(first, min(first + _TASK, len(positions)))
            pending.tasks.append(pool.submit(self._fill, pending, places))
        return pending

    def finish(self, pending: _Pending) -> Batch:
        """Wait for a batch."""
        for task in pending.tasks:
            task.result()
        schema = self.data.schema
        labels = self.data.labels[pending.positions].astype(np.float32)
        for index, part in enumerate(schema.parts):
            if part is not None:
                labels[pending.visible[:, part] == 0, index] = -1
        colours = [index for group in schema.colours.values() for index in group]
        labels[np.ix_(np.flatnonzero(~pending.coloured), np.array(colours, np.int64))] = -1
        return Batch(
            torch.from_numpy(pending.crops),
            torch.from_numpy(labels),
            self.data.ids[pending.positions],
            torch.from_numpy(pending.visible),
        )

    def _fill(self, pending: _Pending, places: range) -> None:
        for place in places:
            position = int(pending.positions[place])
            sample = int(self.data.ids[position])
            crop = self._resized(position, sample)
            if self.augmentation is not None:
                rng = np.random.default_rng((*self.seed, sample))
                varied = augment(crop, self.augmentation, rng)
                crop, pending.visible[place] = varied.crop, varied.visible
                pending.coloured[place] = varied.coloured
            pending.crops[place] = crop

    def _resized(self, position: int, sample: int) -> Image:
        kept = self.cache.get(sample, self.size) if self.cache is not None else None
        if kept is not None:
            return kept
        crop = resize_crop(self.data.read(position), *self.size)
        if self.cache is not None:
            self.cache.put(sample, self.size, crop)
        return crop


_users, _threads_before, _users_lock = 0, 1, threading.Lock()


@contextlib.contextmanager
def _one_thread_per_call() -> Iterator[None]:
    """Let each OpenCV call run in the thread that makes it.

    The loader's threads are the parallelism. OpenCV's own would halve the speed: they split crops
    that are too small to be worth it, and wait for cores that the training step keeps busy.
    """
    global _users, _threads_before
    with _users_lock:
        if _users == 0:
            _threads_before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _users += 1
    try:
        yield
    finally:
        with _users_lock:
            _users -= 1
            if _users == 0:
                cv2.setNumThreads(_threads_before)
