"""People in a frame: YOLOX through ONNX Runtime, or moving shapes where no detector is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.crops import Image
from edgeattr.errors import InputError, RuntimeFailure

__all__ = ["Detections", "Detector", "MotionDetector", "YoloxDetector"]

_FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Detections:
    """People found in one frame."""

    boxes: _FloatArray  # [n, 4]: left, top, right, bottom, pixels, inside the frame
    scores: _FloatArray  # [n], 0..1

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """Finds people."""

    name: str

    def detect(self, image: Image) -> Detections:
        """People in an image, uint8 [H, W, 3] BGR, best first."""
        ...


class YoloxDetector:
    """YOLOX (Ge et al. 2021) exported to ONNX, with the head's output raw or decoded.

    Args:
        path: the ONNX file; its first class must be the person, as in COCO.
        threads: that one call may use; all cores where absent.
        min_score: people less certain than this are left out.
        max_overlap: intersection over union beyond which two boxes are one person.

    Raises:
        InputError: not a YOLOX export.
        RuntimeFailure: not a model that ONNX Runtime can run.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        min_score: float = 0.15,
        max_overlap: float = 0.6,
    ) -> None:
        from edgeattr_runtimes.onnx_engine import open_session

        if not path.is_file():
            raise InputError(f"{path}: no such detector file")
        self.name = path.stem
        self._min_score, self._max_overlap = min_score, max_overlap
        self._session: Any = open_session(str(path), threads)
        entry = self._session.get_inputs()[0]
        if len(entry.shape) != 4 or not all(isinstance(side, int) for side in entry.shape[2:]):
            raise InputError(
                f"{path}: input {entry.shape} is not a YOLOX export's [1, 3, height, width]"
            )
        self._input, (self._height, self._width) = entry.name, entry.shape[2:]
        self._grid, self._stride = _anchors(self._height, self._width)
        probe = self._raw(np.full((self._height, self._width, 3), 114, np.uint8))
        if probe.ndim != 2 or probe.shape[0] != len(self._stride) or probe.shape[1] < 6:
            raise InputError(
                f"{path}: output {probe.shape} is not YOLOX's [{len(self._stride)}, 5 + classes]"
            )
        # Decoded centres spread over the picture; raw ones are offsets within a cell.
        self._decoded = float(probe[:, 0].std()) > self._width / 10

    def detect(self, image: Image) -> Detections:
        """See :meth:`Detector.detect`."""
        ratio = min(self._height / image.shape[0], self._width / image.shape[1])
        rows, columns = (max(1, int(side * ratio)) for side in image.shape[:2])
        padded = np.full((self._height, self._width, 3), 114, np.uint8)
        padded[:rows, :columns] = cv2.resize(image, (columns, rows))
        output = self._raw(padded)
        scores = output[:, 4] * output[:, 5]
        keep = scores >= self._min_score
        output, scores = output[keep], scores[keep]
        centres, sizes = output[:, :2], output[:, 2:4]
        if not self._decoded:
            stride = self._stride[keep]
            centres = (centres + self._grid[keep]) * stride
            sizes = np.exp(sizes) * stride
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1) / ratio
        return _suppress(boxes, scores, self._min_score, self._max_overlap, image.shape)

    def _raw(self, padded: Image) -> _FloatArray:
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)
        try:
            output: _FloatArray = self._session.run(None, {self._input: planes})[0][0]
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise RuntimeFailure(f"detector {self.name} failed: {error}") from error
        return output


class MotionDetector:
    """Upright moving shapes in front of a still camera: a stand-in that needs no download.

    It takes two people who touch for one, misses those who stand still, and takes anything
    upright that moves for a person.
    """

    name = "motion"
    _WIDTH = 384  # pixels at which motion is looked for
    _WARM_UP = 100  # frames in which the background is learnt fast
    _LEARN = 0.005  # by this share a frame; a tenth is believed: twenty frames of standing still
    _FORGET = 0.0005  # and then by this share: two hundred frames
    _SMALLEST = 0.15  # of the picture's height
    _WIDEST = 0.4  # of its width: more is a change of light
    _UPRIGHT = (1.2, 5.0)  # height over width
    _SCORE = 0.8

    def __init__(self) -> None:
        self._background = cv2.createBackgroundSubtractorMOG2(varThreshold=20, detectShadows=True)
        self._seen = 0

    def detect(self, image: Image) -> Detections:
        """See :meth:`Detector.detect`."""
        ratio = min(1.0, self._WIDTH / image.shape[1])
        small = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        self._seen += 1
        rate = self._LEARN if self._seen <= self._WARM_UP else self._FORGET
        mask = self._background.apply(_level(small.astype(np.uint8, copy=False)), learningRate=rate)
        if self._seen < 3:  # the first frames are all foreground
            return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
        mask = cv2.threshold(mask, 200, 255, cv2.THRESH_BINARY)[1]  # shadows are 127
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((25, 13), np.uint8))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        people = [
            (x, y, x + w, y + h)
            for x, y, w, h in map(cv2.boundingRect, contours)
            if h >= self._SMALLEST * mask.shape[0]
            and w <= self._WIDEST * mask.shape[1]
            and self._UPRIGHT[0] <= h / w <= self._UPRIGHT[1]
        ]
        found = np.array(people, np.float32).reshape(-1, 4) / ratio
        found = np.minimum(found, np.array([*image.shape[1::-1]] * 2, np.float32))
        return Detections(found, np.full(len(found), self._SCORE, np.float32))


def _level(image: Image) -> Image:
    """Undo changes of exposure and white balance: each channel's median becomes 128."""
    gains = 128.0 / np.maximum(np.median(image, axis=(0, 1)), 1.0)
    blurred = cv2.GaussianBlur(image, (5, 5), 0)
    levelled: Image = np.clip(blurred * gains, 0, 255).astype(np.uint8)
    return levelled


def _anchors(height: int, width: int) -> tuple[_FloatArray, _FloatArray]:
    """Cell corner and stride of each of YOLOX's predictions: [n, 2] and [n, 1]."""
    grids, strides = [], []
    for stride in (8, 16, 32):
        rows, columns = height // stride, width // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        grids.append(np.stack([x.ravel(), y.ravel()], 1))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _suppress(
    boxes: _FloatArray,
    scores: _FloatArray,
    min_score: float,
    max_overlap: float,
    shape: tuple[int, ...],
) -> Detections:
    """Keep the best of overlapping boxes, inside the picture and not empty."""
    if len(boxes):
        sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        kept = cv2.dnn.NMSBoxes(sizes.tolist(), scores.tolist(), min_score, max_overlap)
        order = np.asarray(kept, np.int64).ravel()
        boxes, scores = boxes[order], scores[order]
    limits = np.array([shape[1], shape[0], shape[1], shape[0]], np.float32)
    boxes = np.clip(boxes, 0, limits).astype(np.float32)
    solid = (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)
    return Detections(boxes[solid], scores[solid].astype(np.float32))
