"""From a network's boxes to people: one box each, inside the picture, best first."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.video.detectors.protocol import Detections

__all__ = ["inside", "suppress"]

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
