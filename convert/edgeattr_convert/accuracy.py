"""A runtime's accuracy on a data set: what `eval` prints and what conversion holds to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.crops import read_image
from edgeattr.errors import InputError
from edgeattr.metrics import Scores, evaluate
from edgeattr.model import AttributeModel
from edgeattr_train.datasets import AttributeDataset

__all__ = ["Evaluation", "evaluate_model", "metrics_json"]

_BATCH = 64  # crops


class Evaluation:
    """Scores of a model on a data set, and how fast it got there.

    Args:
        scores: the metrics.
        logits: [N, C].
        images_per_second: of the model alone: resize and inference, without reading files.
    """

    def __init__(
        self, scores: Scores, logits: npt.NDArray[np.float32], images_per_second: float
    ) -> None:
        self.scores = scores
        self.logits = logits
        self.images_per_second = images_per_second


def evaluate_model(
    model: AttributeModel,
    data: AttributeDataset,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Run a model over a data set.

    Raises:
        InputError: the attributes differ from the model's, or an image cannot be read.
    """
    if data.schema.names != model.bundle.schema.names:
        raise InputError(
            f"{data.name} has other attributes than {model.bundle.name}: "
            f"{sorted(set(data.schema.names) ^ set(model.bundle.schema.names))}"
        )
    rows, busy = [], 0.0
    for start in range(0, len(data), _BATCH):
        images = [read_image(path) for path in data.paths[start : start + _BATCH]]
        begin = time.perf_counter()
        rows.append(model.logits(images))
        busy += time.perf_counter() - begin
        progress(start + len(images), len(data))
    logits = np.concatenate(rows)
    scores = evaluate(model.decision.probabilities(logits), data.labels, model.bundle.thresholds)
    return Evaluation(scores, logits, len(data) / busy)


def metrics_json(scores: Scores) -> dict[str, Any]:
    """The overall figures under the names of the `eval --json` contract, percentages."""
    return {
        "mA": round(scores.mA, 4),
        "accuracy": round(scores.accuracy, 4),
        "precision_ex": round(scores.precision, 4),
        "recall_ex": round(scores.recall, 4),
        "f1": round(scores.f1, 4),
        "mAP": round(scores.mAP, 4),
    }
