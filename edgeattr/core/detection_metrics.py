"""The measures of detection, in NumPy alone. All results are percentages, 0..100.

A box is right if it overlaps a person's box that no better box has taken by at least half
(intersection over union). Boxes are gone through by falling score over all frames. AP50 is the area
under the precision-recall curve, its precision made falling from the right. Boxes that lie in a
region to ignore by at least half, and match nobody, count nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

_FloatArray = npt.NDArray[np.float32]
_Real = TypeVar("_Real", bound=np.floating[Any])
_OVERLAP = 0.5  # intersection over union of a box that is right


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameBoxes:
    """One frame: what was found, and who is there. Boxes are left, top, right, bottom, pixels."""

    found: _FloatArray  # [n, 4]
    scores: _FloatArray  # [n]
    people: _FloatArray  # [m, 4]
    ignore: _FloatArray  # [k, 4]


@dataclass(frozen=True, kw_only=True)
class DetectionScores:
    """One evaluation."""

    ap50: float  # over all scores
    recall: float  # of boxes of at least the threshold
    precision: float  # of the same; 100 if there are none
    people: int  # boxes of people in all frames
    found: int  # boxes of at least the threshold


def overlaps(
    one: npt.NDArray[_Real], other: npt.NDArray[_Real], *, of_first: bool = False
) -> npt.NDArray[_Real]:
    """Intersection over union of [A, 4] and [B, 4] as [A, B]; ``of_first``: over the first's."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    inner = np.clip(high - low, 0, None).prod(-1)
    areas, others = ((boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (one, other))
    whole = areas[:, None] if of_first else areas[:, None] + others[None] - inner
    return np.asarray(inner / np.maximum(whole, 1e-9))


def evaluate_detections(frames: Sequence[FrameBoxes], threshold: float) -> DetectionScores:
    """Score boxes against people.

    Args:
        frames: boxes of low scores too, or AP50 is that of what is there.
        threshold: of recall and precision.
    """
    scores, right = [], []
    for frame in frames:
        order = np.argsort(-frame.scores, kind="stable")
        counts, hits = _matched(frame, order)
        scores.append(frame.scores[order][counts])
        right.append(hits[counts])
    people = sum(len(frame.people) for frame in frames)
    all_scores = np.concatenate([np.zeros(0, np.float32), *scores])
    order = np.argsort(-all_scores, kind="stable")
    hit = np.concatenate([np.zeros(0, np.bool_), *right])[order]
    taken = all_scores[order] >= threshold
    true = np.cumsum(hit)
    precision = true / np.arange(1, len(hit) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    area = float((falling * hit).sum()) / people if people else float("nan")
    found, correct = int(taken.sum()), int(hit[taken].sum())
    return DetectionScores(
        ap50=100 * area,
        recall=100 * correct / people if people else float("nan"),
        precision=100 * correct / found if found else 100.0,
        people=people,
        found=found,
    )


def _matched(
    frame: FrameBoxes, order: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Of a frame's boxes in this order: which count, and which are right."""
    boxes = frame.found[order]
    hits = np.zeros(len(boxes), np.bool_)
    free = np.ones(len(frame.people), np.bool_)
    table = overlaps(boxes, frame.people)
    for index in range(len(boxes)):
        left = np.where(free, table[index], -1.0)
        if len(left) and left.max() >= _OVERLAP:
            free[left.argmax()] = False
            hits[index] = True
    ignored = np.zeros(len(boxes), np.bool_)
    if len(frame.ignore):
        ignored = overlaps(boxes, frame.ignore, of_first=True).max(1) >= _OVERLAP
    return hits | ~ignored, hits
