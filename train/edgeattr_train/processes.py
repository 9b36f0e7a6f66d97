"""The processes, the device and the precision of a training run."""

from __future__ import annotations

import logging
import os

import torch
from lightning_fabric import Fabric

from edgeattr.core.errors import UsageError
from edgeattr.core.limits import available_cores
from edgeattr_train.recipe import Recipe

_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def open_fabric(recipe: Recipe, device: str = "auto") -> Fabric:
    """The processes, device and precision of a run, from what ``torchrun`` set up, if it did.

    Args:
        recipe: its precision.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UsageError: no such device here, or one that lacks the precision.
    """
    cuda = torch.cuda.is_available()
    if device not in ("auto", "cpu", "cuda") or (device == "cuda" and not cuda):
        raise UsageError(f"--device {device}: not here; use {'cpu or cuda' if cuda else 'cpu'}")
    accelerator = device if device != "auto" else ("cuda" if cuda else "cpu")
    if accelerator == "cuda" and int(os.environ.get("LOCAL_WORLD_SIZE", 1)) > _gpus():
        raise UsageError(f"torchrun started more processes than the {_gpus()} GPUs here")
    if recipe.precision == "fp16" and accelerator == "cpu":
        raise UsageError("precision=fp16 wants a GPU; on a CPU use bf16 or fp32")
    torch.set_num_threads(min(torch.get_num_threads(), available_cores()))
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells the precision
    world, local = (int(os.environ.get(key, 1)) for key in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    fabric = Fabric(
        accelerator=accelerator,
        devices=local,
        num_nodes=max(1, world // local),
        strategy="ddp" if world > 1 else "auto",
        precision=_PRECISIONS[recipe.precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def _gpus() -> int:
    return torch.cuda.device_count()
