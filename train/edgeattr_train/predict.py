"""A model's logits over a whole data set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgeattr_train.data.annotations import AttributeDataset
from edgeattr_train.loader import batches
from edgeattr_train.model import AttributeNet

_BATCH = 64  # images at a time


@torch.no_grad()
def predict_logits(
    model: AttributeNet,
    data: AttributeDataset,
    size: tuple[int, int],
    *,
    threads: int = 2,
    autocast: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
) -> npt.NDArray[np.float32]:
    """Logits of a data set, [N, C], in its order.

    Args:
        model: is put into eval mode.
        data: the images.
        size: height and width of the input, pixels.
        threads: decoding threads.
        autocast: precision; as the weights are where absent.
    """
    model.eval()
    device = next(model.parameters()).device
    rows = []
    for part in batches(data, np.arange(len(data)), size, _BATCH, threads=threads):
        with autocast():
            rows.append(model(part.crops.to(device)).logits.float().cpu().numpy())
    return np.concatenate(rows)
