"""The losses, one function per equation. All sum over attributes and average over images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeattr.errors import UsageError
from edgeattr_train.model import NetOutput

__all__ = [
    "LossOptions",
    "attention_loss",
    "balanced_bce",
    "binary_cross_entropy",
    "total_loss",
    "weighted_focal",
]

_NAMES = ("none", "bce", "focal", "balanced")


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Which loss each score gets: "none", "bce", "focal" (Eq. 4) or "balanced"."""

    primary: str = "focal"  # on y_p
    attention: str = "bce"  # on y_a1 and y_a2, times (1 + std_s)
    average: str = "none"  # on the averaged score; not in the paper
    gamma: float = 0.5  # focal exponent
    smoothing: float = 0.0  # labels become smoothing / 2 and 1 - smoothing / 2
    history_epochs: int = 5  # epochs of predictions that std_s looks back on; 0 turns it off
    burn_in_epochs: int = 5  # epochs with std_s = 0

    def __post_init__(self) -> None:
        for field in ("primary", "attention", "average"):
            if getattr(self, field) not in _NAMES:
                raise UsageError(
                    f"loss.{field}={getattr(self, field)!r}; expected one of {', '.join(_NAMES)}"
                )


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Eq. 3, per element: -(y log p + (1 - y) log(1 - p)). [N, C] -> [N, C]."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def weighted_focal(logits: Tensor, labels: Tensor, prior: Tensor, gamma: float) -> Tensor:
    """Eq. 4, per element: exp(-a_c) * (1 - p_t)^gamma * BCE, p_t the probability of the truth.

    Args:
        logits: [N, C].
        labels: [N, C], 0..1.
        prior: a_c, share of positives in the training data, [C].
        gamma: 0 leaves the class weight alone.
    """
    probability = logits.sigmoid()
    miss = labels * (1 - probability) + (1 - labels) * probability
    # d/dx x^gamma is infinite at 0 for gamma < 1: keep away from it
    focus = miss.clamp_min(1e-6).pow(gamma)
    return torch.exp(-prior) * focus * binary_cross_entropy(logits, labels)


def balanced_bce(logits: Tensor, labels: Tensor, prior: Tensor) -> Tensor:
    """BCE weighted by exp(1 - a_c) on positives and exp(a_c) on negatives, per element.

    Li et al., "Multi-attribute learning for pedestrian attribute recognition", ACPR 2015, Eq. 4.
    """
    weight = torch.exp(labels + (1 - 2 * labels) * prior)
    return weight * binary_cross_entropy(logits, labels)


def attention_loss(per_element: Tensor, deviation: Tensor) -> Tensor:
    """Eq. 6: mean over images of (1 + std_s) * sum over attributes.

    Args:
        per_element: [N, C].
        deviation: std_s, [N], from :class:`edgeattr_train.history.PredictionHistory`.
    """
    return ((1 + deviation) * per_element.sum(1)).mean()


def total_loss(
    output: NetOutput, labels: Tensor, prior: Tensor, deviation: Tensor, options: LossOptions
) -> Tensor:
    """Eq. 7, with the losses that ``options`` names: L = L_w + L_a1 + L_a2 (+ L on the average)."""
    soft = labels * (1 - options.smoothing) + 0.5 * options.smoothing
    zero = output.logits.new_zeros(())
    total = zero
    for name, logits, spread in (
        (options.primary, output.primary, torch.zeros_like(deviation)),
        (options.attention, output.attended[0], deviation),
        (options.attention, output.attended[1], deviation),
        (options.average, output.logits, torch.zeros_like(deviation)),
    ):
        if name != "none":
            total = total + attention_loss(_element(name, logits, soft, prior, options), spread)
    return total


def _element(
    name: str, logits: Tensor, labels: Tensor, prior: Tensor, options: LossOptions
) -> Tensor:
    if name == "bce":
        return binary_cross_entropy(logits, labels)
    if name == "focal":
        return weighted_focal(logits, labels, prior, options.gamma)
    return balanced_bce(logits, labels, prior)
