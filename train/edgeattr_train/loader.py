"""Batches of crops for the training step, in an order that depends on the seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgeattr.crops import Image, read_image, resize_crop
from edgeattr_train.datasets import AttributeDataset
from edgeattr_train.transforms import Augmentation, augment

__all__ = ["Batch", "batches", "training_order"]


class Batch(NamedTuple):
    """One step's data."""

    crops: Tensor  # uint8 [n, H, W, 3], BGR
    labels: Tensor  # float32 [n, C], 0 or 1
    ids: npt.NDArray[np.int64]  # [n]


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
    """

    def load(position: int) -> Image:
        crop = resize_crop(read_image(data.paths[position]), *size)
        if augmentation is None:
            return crop
        rng = np.random.default_rng((*seed, int(data.ids[position])))
        return augment(crop, augmentation, rng)

    def collect(positions: npt.NDArray[np.int64], images: list[Future[Image]]) -> Batch:
        crops = np.stack([image.result() for image in images])
        labels = data.labels[positions].astype(np.float32)
        return Batch(torch.from_numpy(crops), torch.from_numpy(labels), data.ids[positions])

    chunks = [order[start : start + batch] for start in range(0, len(order), batch)]
    with ThreadPoolExecutor(threads) as pool:
        ahead: list[tuple[npt.NDArray[np.int64], list[Future[Image]]]] = []
        for chunk in chunks:
            ahead.append((chunk, [pool.submit(load, int(position)) for position in chunk]))
            if len(ahead) > 2:
                yield collect(*ahead.pop(0))
        for pending in ahead:
            yield collect(*pending)
