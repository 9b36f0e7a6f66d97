"""How the weights move: optimizer, learning rate, moving average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from edgeattr.core.errors import UsageError
from edgeattr_train.model import AttributeNet
from edgeattr_train.recipe_types import BelowOne, Count, NotNegative, Positive, PositiveShare

_MOMENTUM = 0.9  # of SGD, as the paper's authors trained WIDER-Attribute


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """How long, how fast."""

    epochs: Positive = 20
    small_epochs: Count = 0  # first epochs at a smaller input, faster
    small_scale: PositiveShare = 0.75  # its size as a share of the full input
    batch: Positive = 64  # images a step, over all processes
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"  # of Adam, decay is inside the gradient
    rate: Literal["one_cycle", "cosine", "plateau", "constant"] = "one_cycle"
    backbone_rate: NotNegative = 6e-4  # peak learning rate of the backbone
    layer_decay: PositiveShare = 1.0  # a backbone's part learns at so much of the next one's rate
    head_rate: NotNegative = 2e-3  # peak learning rate of everything else
    weight_decay: NotNegative = 0.02
    warm_up: BelowOne = 0.2  # share of the steps until the peak ("one_cycle" and "cosine")
    plateau_epochs: Count = 8  # "plateau": a tenth of the rate after more epochs without gain
    select: Literal["mA+f1", "mAP"] = "mA+f1"  # the validation score that chooses the epoch
    patience: Count = 0  # stop after so many epochs without gain; 0: never
    clip: NotNegative = 20.0  # largest gradient norm; 0 turns clipping off
    average_decay: BelowOne = 0.998  # of the moving average that is validated and kept; 0: none
    images: Count = 0  # use only this many training images; 0 means all
    frozen_epochs: Count = 0  # first epochs in which only the heads learn
    frozen: tuple[str, ...] = ()  # parts of the backbone that keep weights and statistics


class Optimization:
    """Optimizer and learning rate of one run.

    Args:
        model: has ``backbone`` and ``head_parameters()``.
        options: how.
        steps: steps in an epoch.
    """

    def __init__(self, model: AttributeNet, options: ScheduleOptions, steps: int) -> None:
        heads = {"params": model.head_parameters(), "lr": options.head_rate}
        groups = [*_by_depth(model.backbone, options), heads]
        self.optimizer = _optimizer(groups, options)
        self._plateau = self._by_step = None
        if options.rate == "plateau":
            self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                self.optimizer, mode="max", factor=0.1, patience=options.plateau_epochs
            )
        elif options.rate != "constant":
            total = max(4, steps * options.epochs)  # a cycle needs two steps each way
            self._by_step = _rate_by_step(self.optimizer, options, total)

    @property
    def rate(self) -> float:
        """The backbone's current learning rate."""
        return float(self.optimizer.param_groups[-2]["lr"])

    def after_step(self) -> None:
        """Move the rates that follow the steps."""
        if self._by_step is not None:
            self._by_step.step()

    def after_epoch(self, quality: float) -> None:
        """Move the rates that follow the validation score."""
        if self._plateau is not None:
            self._plateau.step(quality)

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        scheduler = self._plateau or self._by_step
        return {
            "optimizer": self.optimizer.state_dict(),
            "rate": scheduler.state_dict() if scheduler else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave."""
        self.optimizer.load_state_dict(state["optimizer"])
        scheduler = self._plateau or self._by_step
        if scheduler:
            scheduler.load_state_dict(state["rate"])


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average of a model's weights and statistics.

    The first ``update_parameters`` copies them. Step t keeps min(decay, (1 + t) / (10 + t)) of
    the average, so that it forgets the first steps soon.

    Args:
        model: what is followed; copied.
        decay: share of the average that is kept in a step; 0 keeps only the current weights.
    """

    @torch.no_grad()
    def average(kept: Any, current: Any, steps: Any) -> None:
        share = min(decay, (1 + float(steps)) / (10 + float(steps))) if decay else 0.0
        if kept[0].is_floating_point():
            torch._foreach_lerp_(kept, current, 1 - share)
        else:  # counters
            torch._foreach_copy_(kept, current)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)


def freeze(backbone: nn.Module, names: tuple[str, ...]) -> list[nn.Module]:
    """Stop parts of a backbone from learning; the caller keeps them in eval mode.

    The first layers work on the largest maps: to leave them as they are spares a third of a step.

    Args:
        backbone: whose parts.
        names: as ``backbone.named_modules()`` has them, such as ``until_k1.0``.

    Raises:
        UsageError: it has no such part.
    """
    parts = []
    for name in names:
        try:
            parts.append(backbone.get_submodule(name))
        except AttributeError as error:
            first = ", ".join(child for child, _ in backbone.named_children())
            raise UsageError(
                f"schedule.frozen names {name!r}, which the backbone has not; its parts: {first}"
            ) from error
    for part in parts:
        part.requires_grad_(False)
    return parts


def _by_depth(backbone: nn.Module, options: ScheduleOptions) -> list[dict[str, Any]]:
    """The backbone's parts, first to last; the last learns at the full rate."""
    if options.layer_decay == 1:
        return [{"params": list(backbone.parameters()), "lr": options.backbone_rate}]
    parts = [list(part.parameters()) for part in backbone.children()]
    learning = [part for part in parts if any(p.requires_grad for p in part)]
    count = len(learning)
    return [
        {"params": part, "lr": options.backbone_rate * options.layer_decay ** (count - 1 - place)}
        for place, part in enumerate(learning)
    ]


def _optimizer(groups: list[dict[str, Any]], options: ScheduleOptions) -> torch.optim.Optimizer:
    decay = options.weight_decay
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=_MOMENTUM, weight_decay=decay, foreach=True)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, weight_decay=decay, foreach=True)


def _rate_by_step(
    optimizer: torch.optim.Optimizer, options: ScheduleOptions, total: int
) -> torch.optim.lr_scheduler.LRScheduler:
    if options.rate == "one_cycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in optimizer.param_groups],
            total_steps=total,
            pct_start=max(options.warm_up, 2 / total),
            cycle_momentum=False,
        )
    warm = max(1, round(options.warm_up * total))

    def share(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)
