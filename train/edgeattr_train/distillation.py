"""Teachers: trained models whose answers on the augmented crops soften the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import edgeattr
from edgeattr.core.errors import InputError
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.loader import HIDDEN

_FACTS = ("dataset", "split", "mA", "f1")  # that are kept of a teacher's training


class Teachers:
    """An ensemble, loaded once, run in FP32.

    Args:
        names: bundles, names of bundles, or checkpoints (``best.pt``).
        schema: the student's; every teacher must have the same attributes.

    Raises:
        InputError: a teacher is missing, damaged or names other attributes.
    """

    def __init__(self, names: Sequence[str], schema: AttributeSchema) -> None:
        self._models = [edgeattr.load(name, precision="fp32") for name in names]
        for name, model in zip(names, self._models, strict=True):
            known = model.bundle.schema.names
            if known != schema.names:
                raise InputError(
                    f"the teacher {name} knows other attributes than the data: "
                    f"{sorted(set(known) ^ set(schema.names))}"
                )

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Data set and split of each."""
        trained = [model.bundle.training for model in self._models]
        return [{key: facts[key] for key in _FACTS if key in facts} for facts in trained]

    def __bool__(self) -> bool:
        return bool(self._models)

    def teach(self, crops: Tensor) -> Tensor:
        """Probabilities of the average of all logits, [n, C], for crops uint8 [n, H, W, 3]."""
        images = list(crops.cpu().numpy())
        logits = [torch.from_numpy(model.logits(images)) for model in self._models]
        return torch.stack(logits).mean(0).sigmoid().to(crops.device)


def soft_labels(labels: Tensor, taught: Tensor, weight: float) -> Tensor:
    """Labels mixed with probabilities; unknown labels are the probabilities alone.

    Args:
        labels: [n, C], 0..1, -1 where unknown, HIDDEN where augmentation hides what they tell.
        taught: [n, C], what teachers say of the same crops, 0..1; NaN where they say nothing.
        weight: share of the teachers.
    """
    mixed = torch.where(labels < 0, taught, (1 - weight) * labels + weight * taught)
    return torch.where((labels == HIDDEN) | taught.isnan(), labels, mixed) if weight else labels
