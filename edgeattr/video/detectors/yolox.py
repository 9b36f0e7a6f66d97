"""YOLOX (Ge et al. 2021, arXiv 2107.08430), with the head's output raw or decoded."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError
from edgeattr.video.detectors.from_network import Arrays, NetworkDetector, Picture, picture_of
from edgeattr.video.detectors.nms import suppress
from edgeattr.video.detectors.protocol import Detections
from edgeattr_runtimes.session import Session

__all__ = ["YoloxDetector"]

_FloatArray = npt.NDArray[np.float32]
_GREY = 114  # of the border that fills the picture up, as in YOLOX's own training
_STRIDES = (8, 16, 32)  # pixels of a cell on each of the head's three levels


class YoloxDetector(NetworkDetector):
    """A YOLOX export whose first class is the person, as in COCO.

    Pictures are blue-green-red, 0..255, shrunk in proportion, and grey to the right and below.

    Args:
        network: of one input [1, 3, H, W] and one output [1, n, 5 + classes].
        name: for logs and reports.
        min_score: people less certain than this are left out.
        max_overlap: intersection over union beyond which two boxes are one person.

    Raises:
        InputError: not a YOLOX export.
        RuntimeFailure: the engine cannot run it.
    """

    interface = "YOLOX: input [1, 3, H, W], output [1, n, 5 + classes], raw or decoded"

    def __init__(
        self, network: Session, name: str, *, min_score: float = 0.15, max_overlap: float = 0.6
    ) -> None:
        super().__init__(network, name, min_score)
        self._max_overlap = max_overlap
        height, width = self._picture.height, self._picture.width
        self._grid, self._stride = _cells(height, width)
        output = self._outputs(_GREY)[0]
        if output.shape[1] != len(self._stride) or output.shape[2] < 6:
            raise InputError(
                f"{name}: output {list(output.shape)} is not YOLOX's "
                f"[1, {len(self._stride)}, 5 + classes] for pictures of {height}x{width}"
            )
        # decoded centres spread over the picture; raw ones are offsets within a cell
        self._decoded = float(output[0, :, 0].std()) > width / 10

    @classmethod
    def recognise(cls, network: Session) -> Picture | None:
        """See :meth:`NetworkDetector.recognise`."""
        if len(network.inputs) != 1 or [len(port.shape) for port in network.outputs] != [3]:
            return None
        sides = network.outputs[0].shape[2]
        return picture_of(network.inputs[0]) if sides is None or sides >= 6 else None

    def _fill(self, image: Image, picture: Image) -> None:
        rows, columns = (max(1, int(side * self._ratio(image.shape))) for side in image.shape[:2])
        cv2.resize(image, (columns, rows), dst=picture[:rows, :columns])
        picture[rows:] = _GREY
        picture[:rows, columns:] = _GREY

    def _ratio(self, shape: tuple[int, ...]) -> float:
        return min(self._picture.height / shape[0], self._picture.width / shape[1])

    def _people(self, outputs: Arrays, shape: tuple[int, ...]) -> Detections:
        output: _FloatArray = outputs[0][0]
        scores = output[:, 4] * output[:, 5]
        keep = np.flatnonzero(scores >= self._min_score)
        found = output[keep, :4].astype(np.float32)
        centres, sizes = found[:, :2], found[:, 2:]
        if not self._decoded:
            stride = self._stride[keep]
            centres = (centres + self._grid[keep]) * stride
            sizes = np.exp(sizes) * stride
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1)
        boxes /= self._ratio(shape)
        return suppress(boxes, scores[keep], self._max_overlap, shape)


def _cells(height: int, width: int) -> tuple[_FloatArray, _FloatArray]:
    """Place and stride of each of YOLOX's predictions: [n, 2] in cells, and [n, 1] in pixels."""
    grids, strides = [], []
    for stride in _STRIDES:
        rows, columns = height // stride, width // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        grids.append(np.stack([x.ravel(), y.ravel()], 1))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)
