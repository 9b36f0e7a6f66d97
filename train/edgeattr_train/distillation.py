"""Teachers: trained models whose answers on the augmented crops soften the labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import AttributeSchema
from edgeattr_train.loader import HIDDEN
from edgeattr_train.recipe import DistillationOptions

if TYPE_CHECKING:
    from edgeattr_train.model import AttributeNet

__all__ = ["TeacherTargets", "Teachers", "mask_loss", "soft_labels"]


@dataclass(frozen=True, kw_only=True)
class TeacherTargets:
    """What the teachers say of one batch."""

    logits: Tensor  # float32 [n, C], their average
    masks: Mapping[str, Tensor] = field(default_factory=dict)  # k1, k2; of the first that has some


class Teacher(Protocol):
    """One trained model."""

    schema: AttributeSchema
    facts: Mapping[str, Any]  # data set and split that it was trained on

    def __call__(self, crops: Tensor) -> TeacherTargets:
        """uint8 [n, H, W, 3] -> what it says of them."""
        ...


class Teachers:
    """An ensemble, loaded once.

    Args:
        options: who.
        schema: the student's; every teacher must have the same attributes.
        device: where checkpoints run; bundles run where their engine does.

    Raises:
        InputError: a teacher is missing, damaged or names other attributes.
    """

    def __init__(
        self, options: DistillationOptions, schema: AttributeSchema, device: torch.device
    ) -> None:
        self._options = options
        self._teachers = [_load(name, device) for name in options.teachers]
        for name, teacher in zip(options.teachers, self._teachers, strict=True):
            if teacher.schema.names != schema.names:
                raise InputError(
                    f"the teacher {name} knows other attributes than the data: "
                    f"{sorted(set(teacher.schema.names) ^ set(schema.names))}"
                )

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Data set and split of each."""
        keys = ("dataset", "split", "mA", "f1")
        return [
            {key: teacher.facts[key] for key in keys if key in teacher.facts}
            for teacher in self._teachers
        ]

    def __bool__(self) -> bool:
        return bool(self._teachers)

    def teach(self, crops: Tensor) -> TeacherTargets:
        """The ensemble's average on one batch, uint8 [n, H, W, 3]."""
        every = [teacher(crops) for teacher in self._teachers]
        logits = torch.stack([targets.logits for targets in every]).mean(0)
        masks = next((targets.masks for targets in every if targets.masks), {})
        return TeacherTargets(logits=logits / self._options.temperature, masks=masks)


def soft_labels(labels: Tensor, taught: Tensor, weight: float) -> Tensor:
    """Labels mixed with probabilities; unknown labels are the probabilities alone.

    Args:
        labels: [n, C], 0..1, -1 where unknown, HIDDEN where augmentation hides what they tell.
        taught: [n, C], what teachers say of the same crops, 0..1; NaN where they say nothing.
        weight: share of the teachers.
    """
    mixed = torch.where(labels < 0, taught, (1 - weight) * labels + weight * taught)
    return torch.where((labels == HIDDEN) | taught.isnan(), labels, mixed) if weight else labels


def mask_loss(masks: Mapping[str, Tensor], taught: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of the student's masks against the teacher's, mean over attributes.

    Args:
        masks: the student's, [n, C, h, w] each, by the feature map they are of (k1, k2).
        taught: the teacher's; brought to the student's size.

    Raises:
        UsageError: the student attends nowhere, or where no teacher does.
    """
    if not masks or not set(masks) <= set(taught):
        raise UsageError(
            f"distillation.masks: the student has attention on {', '.join(masks) or 'no map'}, "
            f"its teachers on {', '.join(taught) or 'no map'}"
        )
    losses = []
    for name, mask in masks.items():
        size = (mask.shape[2], mask.shape[3])
        fitted = F.interpolate(taught[name], size=size, mode="bilinear", align_corners=False)
        fitted = fitted / fitted.sum((2, 3), keepdim=True).clamp_min(1e-8)
        losses.append(-(fitted * mask.clamp_min(1e-8).log()).sum((2, 3)).mean())
    return torch.stack(losses).sum()


class _BundleTeacher:
    """A bundle, run in FP32."""

    def __init__(self, name: str) -> None:
        import edgeattr

        self._model = edgeattr.load(name, precision="fp32")
        self.schema = self._model.bundle.schema
        self.facts: Mapping[str, Any] = self._model.bundle.training

    def __call__(self, crops: Tensor) -> TeacherTargets:
        images: list[npt.NDArray[np.uint8]] = list(crops.cpu().numpy())
        return TeacherTargets(logits=torch.from_numpy(self._model.logits(images)).to(crops.device))


class _CheckpointTeacher:
    """A checkpoint, run by PyTorch."""

    def __init__(self, path: Path, device: torch.device) -> None:
        from edgeattr_train.checkpoint import load_checkpoint

        checkpoint = load_checkpoint(path)
        self._model: AttributeNet = checkpoint.model.to(device).eval()
        self._size = (checkpoint.recipe.height, checkpoint.recipe.width)
        self._maps = checkpoint.recipe.model.attend
        self.schema = checkpoint.schema
        self.facts: Mapping[str, Any] = checkpoint.facts

    @torch.no_grad()
    def __call__(self, crops: Tensor) -> TeacherTargets:
        output = self._model(_resized(crops, self._size))
        masks = dict(zip(self._maps, output.masks, strict=True))
        return TeacherTargets(logits=output.logits.float(), masks=masks)


def _load(name: str, device: torch.device) -> Teacher:
    if name.endswith(".pt"):
        return _CheckpointTeacher(Path(name), device)
    return _BundleTeacher(name)


def _resized(crops: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 [n, h, w, 3] at another size."""
    if tuple(crops.shape[1:3]) == size:
        return crops
    planes = crops.permute(0, 3, 1, 2).float()
    resized = F.interpolate(planes, size=size, mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
