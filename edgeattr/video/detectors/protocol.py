"""What a detector is, and what it finds: one box a person, inside the picture, best first."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image


@dataclass(frozen=True, eq=False)
class Detections:
    """People found in one frame."""

    boxes: npt.NDArray[np.float32]  # [n, 4]: left, top, right, bottom, pixels, inside the frame
    scores: npt.NDArray[np.float32]  # [n], 0..1, falling

    def __len__(self) -> int:
        return len(self.scores)


class Detector(AbstractContextManager["Detector"], Protocol):
    """Finds people.

    Threads call :meth:`detect` concurrently, with frames in any order. A detector that needs the
    frames of one stream in order needs a pipeline of its own with ``PipelineOptions(workers=1)``.
    Frames of a still scene without people are not passed to it.
    """

    @property
    def name(self) -> str:
        """For logs and reports: a known name, or the file's."""
        ...

    @property
    def engine(self) -> str:
        """What computes: ``onnxruntime``, ``openvino``."""
        ...

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16`` or ``int8`` of a bundle, ``as it is`` of other files."""
        ...

    def detect(self, image: Image) -> Detections:
        """People in an image, uint8 [H, W, 3] BGR, best first."""
        ...

    def close(self) -> None:
        """Release everything. May be called twice."""
        ...


_FloatArray = npt.NDArray[np.float32]


def suppress(
    boxes: _FloatArray, scores: _FloatArray, max_overlap: float, shape: tuple[int, ...]
) -> Detections:
    """Keep the best of boxes that overlap, then as :func:`inside`.

    Args:
        boxes: [n, 4], left, top, right, bottom, pixels.
        scores: [n].
        max_overlap: intersection over union beyond which two boxes are one person.
        shape: of the picture, rows first.
    """
    if len(boxes):
        sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        kept = cv2.dnn.NMSBoxes(sizes.tolist(), scores.tolist(), 0.0, max_overlap)
        order = np.asarray(kept, np.int64).ravel()
        boxes, scores = boxes[order], scores[order]
    return inside(boxes, scores, shape)


def inside(boxes: _FloatArray, scores: _FloatArray, shape: tuple[int, ...]) -> Detections:
    """Cut boxes off at the picture's edges, drop what is thinner than a pixel, sort by score."""
    limits = np.array([shape[1], shape[0], shape[1], shape[0]], np.float32)
    boxes = np.clip(boxes, 0, limits).astype(np.float32)
    solid = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] >= 1).all(1))
    order = solid[np.argsort(-scores[solid], kind="stable")]
    return Detections(boxes[order], scores[order].astype(np.float32))
