"""A runtime's accuracy on a data set: what `eval` prints and what conversion holds to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.metrics import Scores, evaluate, reliability
from edgeattr.model import AttributeModel
from edgeattr_train.data.align import aligned
from edgeattr_train.data.annotations import AttributeDataset

_BATCH = 64  # crops


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """How a model did on a data set."""

    scores: Scores
    logits: npt.NDArray[np.float32]  # [N, C], before calibration
    decisions: npt.NDArray[np.bool_]  # [N, C], its yes
    ece: float  # expected calibration error of its probabilities, percent
    images_per_second: float  # of resize and inference, without reading files


def evaluate_model(
    model: AttributeModel,
    data: AttributeDataset,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Run a model over a data set, and judge it on the attributes that the data set labels.

    Raises:
        InputError: it labels none of the model's, an image cannot be read, or no label is known.
    """
    data = aligned(data, model.bundle.schema)
    rows, busy = [], 0.0
    for start in range(0, len(data), _BATCH):
        images = [data.read(index) for index in range(start, min(start + _BATCH, len(data)))]
        begin = time.perf_counter()
        rows.append(model.logits(images))
        busy += time.perf_counter() - begin
        progress(start + len(images), len(data))
    logits = np.concatenate(rows)
    probabilities = model.decision.probabilities(logits)
    return Evaluation(
        scores=evaluate(probabilities, data.labels, model.bundle.thresholds),
        logits=logits,
        decisions=probabilities > np.asarray(model.bundle.thresholds),
        ece=reliability(probabilities, data.labels).error,
        images_per_second=len(data) / busy,
    )


def metrics_json(scores: Scores) -> dict[str, Any]:
    """The overall figures under the names of the `eval --json` contract, percentages."""
    return {
        "mA": number(scores.mA),
        "accuracy": number(scores.accuracy),
        "precision_ex": number(scores.precision),
        "recall_ex": number(scores.recall),
        "f1": number(scores.f1),
        "mAP": number(scores.mAP),
        "auc": number(scores.auc),
    }


def number(value: float) -> float | None:
    """A figure for JSON, which has no NaN: what is undefined is null."""
    return None if math.isnan(value) else round(value, 4)
