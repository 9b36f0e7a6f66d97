"""How well a person detector does on frames with boxes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeattr.core.detection_metrics import DetectionScores, FrameBoxes, evaluate_detections
from edgeattr.video.detectors import Detector
from edgeattr_train.data.boxes import BoxDataset

LEAST_SCORE = 0.02  # of boxes that count for AP50


@dataclass(frozen=True, kw_only=True)
class DetectionFigures:
    """One detector on one data set."""

    scores: DetectionScores
    images_per_second: float  # of detection alone, without decoding

    def to_json(self) -> dict[str, Any]:
        """Under the names of `eval --json`; null where nobody is in any frame."""
        return {
            "AP50": _number(self.scores.ap50),
            "recall": _number(self.scores.recall),
            "box_precision": _number(self.scores.precision),
        }


def measure_detector(
    detector: Detector,
    data: BoxDataset,
    threshold: float,
    progress: Callable[[int], None] = lambda done: None,
) -> DetectionFigures:
    """Detect in every frame and score the boxes.

    Args:
        detector: returns boxes from :data:`LEAST_SCORE` on, or AP50 is that of what it returns.
        data: the frames.
        threshold: score of a person, for recall and precision.
        progress: called with the frames done.
    """
    frames, seconds = [], 0.0
    for index, frame in enumerate(data.read()):
        began = time.perf_counter()
        found = detector.detect(frame.image)
        seconds += time.perf_counter() - began
        frames.append(
            FrameBoxes(
                found=found.boxes, scores=found.scores, people=frame.people, ignore=frame.ignore
            )
        )
        progress(index + 1)
    return DetectionFigures(
        scores=evaluate_detections(frames, threshold),
        images_per_second=len(frames) / max(seconds, 1e-9),
    )


def _number(value: float) -> float | None:
    return None if value != value else round(value, 2)
