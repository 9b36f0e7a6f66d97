"""Batches of crops for the training step, in an order that depends on the seed alone.

Threads, not the processes of torch's DataLoader: OpenCV releases the interpreter's lock while it
decodes, and threads share one cache of decoded crops.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgeattr.core.crops import Image, resize_crop
from edgeattr.core.schema import PARTS
from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.transforms import Augmentation, augment

_AHEAD = 2  # batches that are made while one is used


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


HIDDEN = -2.0  # label of what augmentation took out of the picture


class Batch(NamedTuple):
    """One step's data."""

    crops: Tensor  # uint8 [n, H, W, 3], BGR
    labels: Tensor  # float32 [n, C]: 1 yes, 0 no, -1 unknown, HIDDEN
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
    pool = ThreadPoolExecutor(threads)
    waiting: deque[tuple[Batch, list[Future[None]]]] = deque()
    try:
        with _one_thread_per_call():
            for first in range(0, len(order), batch):
                positions = order[first : first + batch]
                made = _empty_batch(data, positions, size)
                tasks = [
                    pool.submit(_fill, made, place, data, int(position), augmentation, seed, cache)
                    for place, position in enumerate(positions)
                ]
                waiting.append((made, tasks))
                if len(waiting) > _AHEAD:
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _empty_batch(
    data: AttributeDataset, positions: npt.NDArray[np.int64], size: tuple[int, int]
) -> Batch:
    """Labels and ids of samples, and room for their crops."""
    return Batch(
        torch.empty((len(positions), *size, 3), dtype=torch.uint8),
        torch.from_numpy(data.labels[positions].astype(np.float32)),
        data.ids[positions],
        torch.ones(len(positions), len(PARTS)),
    )


def _finished(batch: Batch, tasks: list[Future[None]]) -> Batch:
    """Wait until a batch's crops are all in their places."""
    for task in tasks:
        task.result()
    return batch


def _fill(
    batch: Batch,
    place: int,
    data: AttributeDataset,
    position: int,
    augmentation: Augmentation | None,
    seed: tuple[int, int],
    cache: CropCache | None,
) -> None:
    """Write one crop into a batch; its labels are HIDDEN where augmentation hides them."""
    out = batch.crops[place].numpy()
    sample, size = int(data.ids[position]), (out.shape[0], out.shape[1])
    crop = cache.get(sample, size) if cache is not None else None
    if crop is None:
        crop = resize_crop(data.read(position), *size)
        if cache is not None:
            cache.put(sample, size, crop)
    if augmentation is not None:
        varied = augment(crop, augmentation, np.random.default_rng((*seed, sample)))
        crop, labels = varied.crop, batch.labels[place].numpy()
        batch.visible[place] = torch.from_numpy(varied.visible)
        for index, part in enumerate(data.schema.parts):
            if part is not None and varied.visible[part] == 0:
                labels[index] = HIDDEN
        if not varied.coloured:
            labels[[index for group in data.schema.colours.values() for index in group]] = HIDDEN
    out[...] = crop


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
