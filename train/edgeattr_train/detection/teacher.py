"""Boxes from a YOLOX export that looks at a picture at several sizes, mirrored as well."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.detection_metrics import overlaps
from edgeattr_train.detection.network import decode
from edgeattr_train.detection.yolox import weights_from_yolox

_FloatArray = npt.NDArray[np.float32]


class Teacher:
    """Callable: picture (blue-green-red) -> [n, 5] left, top, right, bottom, mean score."""

    def __init__(self, path: Path, sizes: tuple[int, ...] = (416, 768)) -> None:
        import torch

        network = weights_from_yolox(path)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._sizes = sizes

    def __call__(self, picture: npt.NDArray[np.uint8]) -> _FloatArray:
        views = []
        limit = round(1.6 * max(picture.shape[:2]) / 32) * 32  # larger shows nothing more
        for size in (min(size, limit) for size in self._sizes):
            for mirrored in (False, True):
                views.append(self._boxes(picture, size, mirrored))
        return fused(views)

    def _boxes(self, picture: npt.NDArray[np.uint8], size: int, mirrored: bool) -> _FloatArray:
        import torch

        height, width = picture.shape[:2]
        scale = size / max(height, width)
        seen = cv2.resize(picture, (round(width * scale), round(height * scale)))
        if mirrored:
            seen = seen[:, ::-1]
        grey = np.full((-(-seen.shape[0] // 32) * 32, -(-seen.shape[1] // 32) * 32, 3), 114.0)
        grey[: seen.shape[0], : seen.shape[1]] = seen
        with torch.no_grad():
            tensor = torch.from_numpy(grey.transpose(2, 0, 1)[None]).float()
            boxes, objectness, person = (t[0] for t in decode(self._network(tensor)))
            scores = objectness.sigmoid() * person.sigmoid()
        keep = scores > 0.05
        found = boxes[keep].numpy() / scale
        half = found[:, 2:] / 2
        corners = np.concatenate((found[:, :2] - half, found[:, :2] + half), 1)
        if mirrored:
            corners[:, [0, 2]] = seen.shape[1] / scale - corners[:, [2, 0]]
        corners = np.clip(corners, 0, [width, height, width, height])
        order = cv2.dnn.NMSBoxes(
            np.c_[corners[:, :2], corners[:, 2:] - corners[:, :2]].tolist(),
            scores[keep].tolist(),
            0.05,
            0.6,
        )
        index = np.array(order, int).reshape(-1)
        rows: _FloatArray = np.c_[corners, scores[keep].numpy()][index].astype(np.float32)
        return rows


def fused(views: list[_FloatArray], overlap: float = 0.55) -> _FloatArray:
    """Boxes of several views of one picture, averaged by score where they overlap.

    The score of the result is the sum over views divided by their number, so that a box that one
    view of four sees with 0.8 has 0.2.
    """
    boxes = np.concatenate(views) if views else np.zeros((0, 5), np.float32)
    boxes = boxes[np.argsort(-boxes[:, 4])]
    results = []
    while len(boxes):
        same = overlaps(boxes[:1, :4], boxes[:, :4])[0] > overlap
        group = boxes[same]
        box = (group[:, :4] * group[:, 4:]).sum(0) / group[:, 4].sum()
        results.append([*box, min(group[:, 4].sum() / len(views), 1.0)])
        boxes = boxes[~same]
    return np.array(results, np.float32).reshape(-1, 5)
