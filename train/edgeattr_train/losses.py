"""The losses, one function per equation. All sum over attributes and average over images.

Labels are 1, 0, or negative where unknown: an unknown label adds nothing to any loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor

from edgeattr.core.errors import UsageError
from edgeattr_train.model import NetOutput
from edgeattr_train.recipe_types import Count, NotNegative, Share

LossName: TypeAlias = Literal["none", "bce", "class_weighted", "focal", "balanced"]
_MARGIN = 0.5  # of class rectification: half the range of a probability
_HARDEST = 25  # profiles mined per class and batch (there: kappa)


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Which loss each score gets.

    "none", "bce" (Eq. 3), "class_weighted" (Eq. 3 times exp(-a_c)), "focal" (Eq. 4) or "balanced".
    """

    primary: LossName = "focal"  # on y_p
    attention: LossName = "bce"  # on each y_ai, times (1 + std_s)
    average: LossName = "none"  # on the averaged score; not in the paper
    gamma: Annotated[float, Meta(ge=0, le=10)] = 0.5  # focal exponent
    history_epochs: Count = 5  # epochs of predictions that std_s looks back on; 0 turns it off
    burn_in_epochs: Count = 5  # epochs with std_s = 0
    visibility: NotNegative = 0.0  # weight of telling which parts of the body are in the picture
    rectification: Share = 0.0  # eta of class rectification on y_p; its authors' 0.01; 0: none

    def __post_init__(self) -> None:
        if {self.primary, self.attention, self.average} == {"none"}:
            raise UsageError('every loss is "none": there is nothing to learn from')


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Eq. 3, per element: -(y log p + (1 - y) log(1 - p)). [N, C] -> [N, C]."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def class_weighted(logits: Tensor, labels: Tensor, prior: Tensor) -> Tensor:
    """Eq. 3 times w_c = exp(-a_c), per element: the first row of the paper's ablation."""
    return torch.exp(-prior) * binary_cross_entropy(logits, labels)


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
    return focus * class_weighted(logits, labels, prior)


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


def class_rectification(logits: Tensor, labels: Tensor) -> Tensor:
    """Hard mining in each attribute's minority class (Dong et al., TPAMI 2018, section 4).

    In a batch, the minority class of an attribute (fewer than half of the labels) is compared by
    its predicted probability: each of its samples should lie nearer to the minority's hardest
    positives (lowest probability) than to the hardest negatives (highest), by a margin. Mined
    within the batch at hand, so that several processes mine their own share.

    Args:
        logits: [N, C].
        labels: [N, C], 1, 0 or unknown (negative).

    Returns:
        The mean over attributes that have both classes; 0 where none has.
    """
    losses = []
    for scores, truth in zip(logits.sigmoid().unbind(1), labels.unbind(1), strict=True):
        yes, no = scores[truth > 0.5], scores[(truth >= 0) & (truth <= 0.5)]
        if not len(yes) or not len(no):
            continue
        # of a frequent attribute the negatives are the minority
        minority, rest = (yes, no) if len(yes) <= len(no) else (1 - no, 1 - yes)
        positives = minority.topk(min(_HARDEST, len(minority)), largest=False).values
        negatives = rest.topk(min(_HARDEST, len(rest))).values
        near = (minority[:, None, None] - positives[None, :, None]).abs()
        far = minority[:, None, None] - negatives[None, None, :]
        losses.append((_MARGIN + near - far).clamp_min(0).mean())
    return torch.stack(losses).mean() if losses else logits.sum() * 0


def total_loss(
    output: NetOutput, labels: Tensor, prior: Tensor, deviation: Tensor, options: LossOptions
) -> Tensor:
    """Eq. 7, with the losses that ``options`` names: L = L_w + L_a1 + L_a2 (+ L on the average).

    Args:
        output: of the model.
        labels: [N, C], 0..1; negative where unknown.
        prior: a_c, [C].
        deviation: std_s, [N].
        options: which losses.
    """
    known = labels >= 0
    truth = labels.clamp_min(0)
    total = output.logits.new_zeros(())
    none = torch.zeros_like(deviation)
    for name, logits, spread in (
        (options.primary, output.primary, none),
        *((options.attention, attended, deviation) for attended in output.attended),
        (options.average, output.logits, none),
    ):
        if name != "none":
            per_element = _element(name, logits, truth, prior, options) * known
            total = total + attention_loss(per_element, spread)
    if options.rectification:
        total = _rectified(total, output.primary, labels, prior, options.rectification)
    return total


def visibility_loss(logits: Tensor, visible: Tensor) -> Tensor:
    """Cross-entropy of what is known, summed over parts, mean over images.

    Args:
        logits: [N, 4].
        visible: [N, 4], 1 or 0; negative where unknown.
    """
    known = visible >= 0
    return (binary_cross_entropy(logits, visible.clamp_min(0)) * known).sum(1).mean()


def _rectified(total: Tensor, logits: Tensor, labels: Tensor, prior: Tensor, eta: float) -> Tensor:
    """(1 - alpha) L + alpha L_crl, alpha = eta * the imbalance (their Eq. 13).

    The imbalance is the share of samples that would have to be added for balanced classes.
    """
    imbalance = float((1 - 2 * torch.minimum(prior, 1 - prior)).mean())
    alpha = eta * imbalance
    attributes = logits.shape[1]  # the other losses sum over attributes
    return (1 - alpha) * total + alpha * attributes * class_rectification(logits, labels)


def _element(
    name: str, logits: Tensor, labels: Tensor, prior: Tensor, options: LossOptions
) -> Tensor:
    if name == "bce":
        return binary_cross_entropy(logits, labels)
    if name == "class_weighted":
        return class_weighted(logits, labels, prior)
    if name == "focal":
        return weighted_focal(logits, labels, prior, options.gamma)
    return balanced_bce(logits, labels, prior)
