"""Boxes from a YOLOX export that looks at a picture at several sizes, mirrored as well."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.detection_metrics import overlaps
from edgeattr_train.detection.network import PersonDetector, decode

if TYPE_CHECKING:
    from torch import Tensor

_FloatArray = npt.NDArray[np.float32]


def weights_from_yolox(path: Path) -> PersonDetector:
    """YOLOX-nano's ONNX export as a PersonDetector in evaluation mode.

    The export's batch norms are folded; ours start as the identity plus the folded bias. Of the 80
    classes the first, the person, stays.
    """
    import onnx
    import torch
    from onnx import numpy_helper
    from torch import nn

    graph = onnx.load(path).graph
    arrays = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    network = PersonDetector().eval()
    order: list[tuple[nn.Module, nn.Conv2d]] = []  # modules with a convolution, as they run
    for module in network.modules():
        conv = getattr(module, "conv", module if isinstance(module, nn.Conv2d) else None)
        if conv is not None and not any(conv is seen for _, seen in order):
            conv.register_forward_hook(lambda c, *_, m=module: order_seen.append((m, c)))
            order.append((module, conv))
    order_seen: list[tuple[nn.Module, nn.Conv2d]] = []
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
        for (module, conv), node in zip(order_seen, nodes, strict=True):
            weight, bias = arrays[node.input[1]], arrays[node.input[2]]
            if conv.kernel_size == (6, 6):
                weight = _six_from_focus(weight)
            conv.weight.copy_(weight[: conv.out_channels])
            if conv.bias is not None:
                conv.bias.copy_(bias[: conv.out_channels])
            else:
                module.bn.weight.fill_((1 + module.bn.eps) ** 0.5)  # type: ignore[union-attr,operator]
                module.bn.bias.copy_(bias)  # type: ignore[union-attr,operator]
    for _, conv in order:
        conv._forward_hooks.clear()
    return network


def _six_from_focus(weight: Tensor) -> Tensor:
    """3x3 weights over a picture sliced into four -> 6x6 weights of stride 2 over the picture.

    The slices are, in this order, the even rows and columns, the odd rows, the odd columns, both.
    """
    out = weight.new_zeros(weight.shape[0], 3, 6, 6)
    for index, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        out[:, :, row::2, column::2] = weight[:, 3 * index : 3 * index + 3]
    return out


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
