"""Losses of the person detector.

Dynamic assignment (SimOTA) and the losses on it are YOLOX's (Ge et al. 2021, arXiv 2107.08430);
those against a teacher's answers are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert, box_iou

from edgeattr_train.detection.network import cells_under, decode

_RADIUS = 1.5  # cells around a box's centre that may answer for it, in strides
_CANDIDATES = 10  # overlaps that are summed to the number of cells a box gets
_OUTSIDE = 1e5  # cost of a cell outside of the box or its centre
_BOX_WEIGHT = 5.0  # of the box loss against the score losses
_TAUGHT = 0.1  # a teacher's score from which its box is learnt
_AGREES = 0.7  # overlap of its box with a person's, from which it means that one
_TAUGHT_BOX, _TAUGHT_PERSON = 2.0, 0.5  # weights of these losses against that of the objectness
_LEAST_SCORES = 8.0  # sum of a batch's scores that its losses are divided by at least


@dataclass(frozen=True, kw_only=True)
class Targets:
    """People of one picture."""

    boxes: Tensor  # [G, 4], centre x, centre y, width, height in input pixels
    ignore: Tensor  # [I, 4], the same: cells in them are neither people nor background


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Which cells answer for which person."""

    cells: Tensor  # [P], indices of cells
    people: Tensor  # [P], index of each cell's person
    overlaps: Tensor  # [P], intersection over union of the cell's box and the person's


@torch.no_grad()
def assign(
    people: Tensor, boxes: Tensor, scores: Tensor, corners: Tensor, strides: Tensor
) -> Assignment:
    """Assign cells to people by SimOTA.

    A cell is a candidate if its centre lies in a person's box or within `_RADIUS` strides of its
    centre. The cost of a pair is the cross-entropy of the score plus three times -log of the
    overlap, plus `_OUTSIDE` unless the cell lies in both. A person takes the k cheapest cells, k
    being the sum of the person's ten largest overlaps, at least one. A cell claimed twice goes to
    the cheaper.

    Args:
        people: [G, 4], centre and size.
        boxes: [K, 4], predicted.
        scores: [K], predicted probability of a person.
        corners: [K, 2], left-top of the cells.
        strides: [K].
    """
    centres = corners + strides[:, None] / 2
    offset = (centres[None] - people[:, None, :2]).abs()
    in_box = (offset < people[:, None, 2:] / 2).all(-1)
    in_centre = (offset < _RADIUS * strides[None, :, None]).all(-1)
    candidates = (in_box | in_centre).any(0).nonzero()[:, 0]
    if not len(people) or not len(candidates):
        none = candidates[:0]
        return Assignment(cells=none, people=none, overlaps=boxes.new_zeros(0))
    edges = (box_convert(part, "cxcywh", "xyxy") for part in (people, boxes[candidates]))
    overlaps = box_iou(*edges)
    entropy = -scores[candidates].clamp(1e-7, 1).sqrt().log()
    both = (in_box & in_centre)[:, candidates]
    cost = entropy[None] - 3 * (overlaps + 1e-8).log() + _OUTSIDE * (~both)
    best = overlaps.topk(min(_CANDIDATES, len(candidates)), 1).values
    counts = best.sum(1).int().clamp(min=1)
    rank = cost.argsort(1).argsort(1)
    chosen = rank < counts[:, None]
    twice = chosen.sum(0) > 1
    cheapest = functional.one_hot(cost.argmin(0), len(people)).T.bool()
    chosen = torch.where(twice[None], cheapest, chosen)
    person, cell = chosen.nonzero(as_tuple=True)
    return Assignment(cells=candidates[cell], people=person, overlaps=overlaps[person, cell])


def _box_loss(boxes: Tensor, people: Tensor) -> Tensor:
    """1 - IoU^2 of pairs of boxes [P, 4]."""
    low = torch.maximum(boxes[:, :2] - boxes[:, 2:] / 2, people[:, :2] - people[:, 2:] / 2)
    high = torch.minimum(boxes[:, :2] + boxes[:, 2:] / 2, people[:, :2] + people[:, 2:] / 2)
    inner = (high - low).clamp(min=0).prod(-1)
    overlap = inner / (boxes[:, 2:].prod(-1) + people[:, 2:].prod(-1) - inner + 1e-9)
    return 1 - overlap**2


def _within(boxes: Tensor, corners: Tensor, strides: Tensor) -> Tensor:
    """[K], True where the cell's centre lies in one of the boxes [B, 4]."""
    offset = (corners + strides[:, None] / 2)[None] - boxes[:, None, :2]
    return (offset.abs() < boxes[:, None, 2:] / 2).all(-1).any(0)


def _contradicts(boxes: Tensor, people: Tensor, inside: Tensor) -> Tensor:
    """[K], True in people's boxes [G, 4] where a box of a cell's, [K, 4], is nobody's."""
    found = inside.clone()
    edges = (box_convert(part, "cxcywh", "xyxy") for part in (boxes[inside], people))
    found[inside] = (box_iou(*edges) < _AGREES).all(1)
    return found


def detection_loss(levels: Sequence[Tensor], targets: Sequence[Targets]) -> dict[str, Tensor]:
    """Losses of a batch, each a sum over cells divided by the number of assigned cells.

    `box`: 1 - IoU^2. `objectness`: cross-entropy of every cell that isn't ignored. `person`:
    cross-entropy against the overlap, on the assigned cells.
    """
    boxes, objectness, person = decode(levels)
    corners, strides = cells_under(levels)
    truth, weight = torch.zeros_like(objectness), torch.ones_like(objectness)
    box, class_, count = boxes.sum() * 0, boxes.sum() * 0, 0
    for index, target in enumerate(targets):
        score = objectness[index].sigmoid() * person[index].sigmoid()
        found = assign(target.boxes, boxes[index], score, corners, strides)
        if len(target.ignore):
            weight[index] = (~_within(target.ignore, corners, strides)).float()
        truth[index, found.cells] = 1
        weight[index, found.cells] = 1
        count += len(found.cells)
        box = box + _box_loss(boxes[index, found.cells], target.boxes[found.people]).sum()
        class_ = class_ + functional.binary_cross_entropy_with_logits(
            person[index, found.cells], found.overlaps, reduction="sum"
        )
    entropy = functional.binary_cross_entropy_with_logits(
        objectness, truth, weight, reduction="sum"
    )
    count = max(count, 1)
    return {
        "box": _BOX_WEIGHT * box / count,
        "objectness": entropy / count,
        "person": class_ / count,
    }


def distillation_loss(
    levels: Sequence[Tensor], taught: Sequence[Tensor], targets: Sequence[Targets]
) -> dict[str, Tensor]:
    """What the student's answers lose against the teacher's, over the teacher's summed scores.

    `taught_objectness`: cross-entropy of every cell against the teacher's score. In a person's box
    the student may be surer than the teacher, who misses many that others cover, and is not asked
    where the teacher's box is nobody's, as around two who overlap. `taught_person`: cross-entropy,
    weighted by the teacher's objectness. `taught_box`: 1 - IoU^2 where the teacher's score is above
    0.1 and its box not nobody's, weighted by it.
    """
    boxes, objectness, person = decode(levels)
    with torch.no_grad():
        teacher_boxes, teacher_objectness, teacher_person = decode(taught)
        likely, truth = teacher_objectness.sigmoid(), teacher_person.sigmoid()
        scores = likely * truth
        expected, sure = scores.clone(), scores > _TAUGHT
        cells = cells_under(levels)
        for index, target in enumerate(targets):
            inside = _within(target.boxes, *cells)
            wrong = _contradicts(teacher_boxes[index], target.boxes, inside)
            own = objectness[index].sigmoid()
            surer = torch.where(wrong, own, torch.maximum(expected[index], own))
            expected[index] = torch.where(inside, surer, expected[index])
            sure[index] &= ~wrong
        total = scores.sum().clamp(min=_LEAST_SCORES)
    entropy = functional.binary_cross_entropy_with_logits
    classes = entropy(person, truth, reduction="none") * likely
    overlap = _box_loss(boxes[sure], teacher_boxes[sure]) * scores[sure]
    return {
        "taught_objectness": entropy(objectness, expected, reduction="sum") / total,
        "taught_person": _TAUGHT_PERSON * classes.sum() / total,
        "taught_box": _TAUGHT_BOX * overlap.sum() / total,
    }
