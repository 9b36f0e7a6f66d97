"""The formats of detectors' networks: how each is recognised, fed and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, resize_crop
from edgeattr.core.detection_bundle import GREY, fit_frame
from edgeattr.core.errors import InputError
from edgeattr.video.detectors import decoders
from edgeattr.video.detectors.decoders import Answer, Found, cells
from edgeattr_runtimes.session import Port, Session

FREE_SIDE = 640  # pixels of a side that a network leaves free: what most were trained at
_KINDS = ("float32", "float16", "uint8")

Placement = Literal["stretched", "corner", "centred"]
"""Stretched to the input's shape; or shrunk in proportion, with grey to the right and below, or
grey on both sides."""
_MOST = 1000  # rows of an end-to-end detector; fewer than any head has cells


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """What the numbers of an input mean, and where the frame lies in it."""

    rgb: bool = True  # red first instead of blue
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of 0..255, subtracted; as the channels
    deviation: tuple[float, float, float] = (255.0, 255.0, 255.0)  # the rest is divided by this
    placed: Placement = "centred"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a frame lies in a network's picture."""

    scale: tuple[float, float]  # pixels of the picture for one of the frame, across and down
    left: int = 0  # pixels of the picture
    top: int = 0

    def to_frame(self, boxes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Boxes [n, 4] in pixels of the picture, in pixels of the frame."""
        moved = boxes - np.array([self.left, self.top] * 2, np.float32)
        return (moved / np.array(self.scale * 2, np.float32)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class PictureInput:
    """A network's input for pictures."""

    name: str
    shape: tuple[int | None, ...]  # of four sides; None where a side is free
    channels_last: bool
    is_bytes: bool  # uint8, which no scale applies to

    @property
    def sides(self) -> tuple[int | None, int | None]:
        """Height and width; None where they are free."""
        first = 1 if self.channels_last else 2
        return self.shape[first], self.shape[first + 1]

    def shape_of(self, height: int, width: int) -> tuple[int, ...]:
        """Of the whole input for pictures of this size; a batch that is free becomes 1."""
        sides = (height, width, 3) if self.channels_last else (3, height, width)
        return (self.shape[0] or 1, *sides)

    def put(self, picture: Image, memory: npt.NDArray[Any], pixels: Pixels) -> None:
        """Write a picture, [height, width, 3] BGR, into the first row of the input's memory."""
        planes = np.moveaxis(memory[0], 2, 0) if self.channels_last else memory[0]
        for place, channel in enumerate((2, 1, 0) if pixels.rgb else (0, 1, 2)):
            if self.is_bytes:
                planes[place] = picture[..., channel]
                continue
            mean, deviation = pixels.mean[place], pixels.deviation[place]
            # copying the bytes of a channel first is twice as fast as a strided conversion
            plane = np.ascontiguousarray(picture[..., channel])
            np.multiply(plane, np.float32(1 / deviation), out=planes[place], casting="unsafe")
            if mean:
                planes[place] -= np.float32(mean / deviation)


def picture_input(ports: Sequence[Port]) -> PictureInput | None:
    """The one input of a network that takes pictures, [N, 3, H, W] or [N, H, W, 3]; else None."""
    found = [_as_picture(port) for port in ports]
    pictures = [entry for entry in found if entry is not None]
    return pictures[0] if len(pictures) == 1 else None


def fit_into(frame: Image, picture: Image, placed: Placement) -> Fit:
    """Bring a frame to a network's picture, [height, width, 3], written to."""
    height, width = picture.shape[:2]
    across, down = width / frame.shape[1], height / frame.shape[0]
    if placed == "stretched":
        resize_crop(frame, height, width, out=picture)
        return Fit(scale=(across, down))
    left = top = 0
    if placed == "centred":
        scale = min(across, down)
        left = max(0, width - round(frame.shape[1] * scale)) // 2
        top = max(0, height - round(frame.shape[0] * scale)) // 2
        picture[:top], picture[:, :left] = GREY, GREY
    scale = fit_frame(frame, picture[top:, left:])
    return Fit(scale=(scale, scale), left=left, top=top)


def _as_picture(port: Port) -> PictureInput | None:
    if len(port.shape) != 4 or port.dtype not in _KINDS:
        return None
    if port.shape[1] == 3 or (port.shape[1] is None and port.shape[3] != 3):
        channels_last = False
    elif port.shape[3] == 3:
        channels_last = True
    else:
        return None
    return PictureInput(
        name=port.name,
        shape=port.shape,
        channels_last=channels_last,
        is_bytes=port.dtype == "uint8",
    )


_BGR = Pixels(rgb=False, deviation=(1.0, 1.0, 1.0), placed="corner")
_STRETCHED_BGR = Pixels(rgb=False, deviation=(1.0, 1.0, 1.0), placed="stretched")
_STRETCHED = Pixels(placed="stretched")
_IMAGENET = Pixels(
    mean=(123.675, 116.28, 103.53), deviation=(58.395, 57.12, 57.375), placed="stretched"
)


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way in which detectors are exported."""

    interface: str  # in words
    fits: Callable[[Answer], bool]  # whether an answer to a grey picture is of this format
    people: Callable[[Answer, float], Found]  # of an answer, from a score on
    pixels: Pixels = field(default_factory=Pixels)
    overlap: float | None = None  # of two people's boxes, at most; None: the network's own care
    min_score: float = 0.15
    any_shape: bool = True  # whether sides that are free may follow the frame's shape


def _rows(answer: Answer) -> tuple[int, int]:
    """Sides n and m of the one output [N, n, m]; 0 and 0 if there is no such output."""
    shapes = [shape for shape in answer.shapes if len(shape) == 3]
    if len(shapes) != 1 or len(answer.arrays[0].shape) != 3:
        return 0, 0
    return shapes[0][1], shapes[0][2]


def _count(answer: Answer) -> int:
    return len(cells(answer.height, answer.width)[1])


def _is_head(answer: Answer) -> bool:
    """[N, cells, 5 + classes]."""
    rows, columns = _rows(answer)
    return rows == _count(answer) and columns >= 6


def _is_yolox(answer: Answer) -> bool:
    """Objectness is not 1 everywhere."""
    return _is_head(answer) and not _is_yolov6(answer)


def _is_decoded(answer: Answer) -> bool:
    """Decoded centres spread over the picture; raw ones are offsets within a cell."""
    return float(answer.arrays[0][0, :, 0].std()) > answer.width / 10


def _is_yolov6(answer: Answer) -> bool:
    return _is_head(answer) and bool((answer.arrays[0][0, :, 4] == 1).all())


def _is_yolov5(answer: Answer) -> bool:
    rows, columns = _rows(answer)
    return rows == 3 * _count(answer) and columns >= 6


def _is_yolov8(answer: Answer) -> bool:
    rows, columns = _rows(answer)
    return columns == _count(answer) and rows >= 5


def _is_transposed(answer: Answer) -> bool:
    """One class or COCO's 80; others cannot be told from YOLOX's."""
    rows, columns = _rows(answer)
    return rows == _count(answer) and columns in (5, 84)


def _is_end_to_end(answer: Answer) -> bool:
    rows, columns = _rows(answer)
    return columns == 6 and rows <= _MOST and rows != _count(answer)


def _is_yolo_nas(answer: Answer) -> bool:
    shapes = answer.shapes
    if len(shapes) < 2 or any(len(shape) != 3 for shape in shapes[:2]):
        return False
    (_, first, sides), (_, second, other) = shapes[:2]
    return first == second == _count(answer) and 4 in (sides, other)


def _is_flat(answer: Answer) -> bool:
    shape = answer.shapes[0]
    return answer.has("flat_predictions") and len(shape) == 2 and shape[1] == 7


def _is_rt_detr(answer: Answer) -> bool:
    named = answer.has("labels", "boxes", "scores")
    return named and answer.named("boxes").ndim == 3


def _is_ssd(answer: Answer) -> bool:
    shapes = answer.shapes
    return len(shapes) == 1 and len(shapes[0]) == 4 and shapes[0][3] == decoders.SSD_ROW


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "yolox": Format(
            interface="YOLOX, the head as it is: [N, n, 5 + classes]",
            fits=lambda answer: _is_yolox(answer) and not _is_decoded(answer),
            people=decoders.yolox_raw,
            pixels=_BGR,
            overlap=0.6,
        ),
        "yolox-decoded": Format(
            interface="YOLOX with decoding in the graph: [N, n, 5 + classes]",
            fits=lambda answer: _is_yolox(answer) and _is_decoded(answer),
            people=decoders.rows_with_objectness,
            pixels=_BGR,
            overlap=0.6,
        ),
        "yolov5": Format(
            interface="YOLOv5, YOLOv7: [N, 3 n, 5 + classes]",
            fits=_is_yolov5,
            people=decoders.rows_with_objectness,
            overlap=0.6,
        ),
        "yolov6": Format(
            interface="YOLOv6: [N, n, 5 + classes], objectness 1 everywhere",
            fits=_is_yolov6,
            people=decoders.rows_with_objectness,
            overlap=0.6,
        ),
        "yolov8": Format(
            interface="YOLOv8 to YOLO12: [N, 4 + classes, n]",
            fits=_is_yolov8,
            people=decoders.columns,
            overlap=0.6,
        ),
        "yolov8-transposed": Format(
            interface="the same, transposed: [N, n, 4 + classes]",
            fits=_is_transposed,
            people=decoders.columns_transposed,
            overlap=0.6,
        ),
        "end-to-end": Format(
            interface="YOLOv10, YOLO26 and others with suppression: [N, n, 6]",
            fits=_is_end_to_end,
            people=decoders.end_to_end,
        ),
        "yolo-nas": Format(
            interface="YOLO-NAS: boxes [N, n, 4] and scores [N, n, classes]",
            fits=_is_yolo_nas,
            people=decoders.boxes_and_scores,
            overlap=0.6,
        ),
        "yolo-nas-batch": Format(
            interface="YOLO-NAS: num_predictions, pred_boxes, pred_scores, pred_classes",
            fits=lambda answer: answer.has("num_predictions", "pred_boxes", "pred_scores"),
            people=decoders.batch_predictions,
        ),
        "yolo-nas-flat": Format(
            interface="YOLO-NAS: flat_predictions [n, 7]",
            fits=_is_flat,
            people=decoders.flat_predictions,
        ),
        "rt-detr": Format(
            interface="RT-DETR, D-FINE: images, orig_target_sizes; labels, boxes, scores",
            fits=_is_rt_detr,
            people=decoders.labels_boxes_scores,
            pixels=_STRETCHED,
            any_shape=False,
        ),
        "detr-logits": Format(
            interface="RT-DETR, D-FINE of Hugging Face: logits [N, n, classes], pred_boxes",
            fits=lambda answer: answer.has("logits", "pred_boxes"),
            people=decoders.detr_logits,
            pixels=_STRETCHED,
            any_shape=False,
        ),
        "rf-detr": Format(
            interface="RF-DETR: dets [N, n, 4], labels [N, n, classes]",
            fits=lambda answer: answer.has("dets", "labels"),
            people=decoders.rf_detr,
            pixels=_IMAGENET,
            any_shape=False,
        ),
        "ssd": Format(
            interface="Open Model Zoo's SSD: [1, 1, n, 7] of DetectionOutput",
            fits=_is_ssd,
            people=decoders.detection_output,
            pixels=_STRETCHED_BGR,
            min_score=0.3,
            any_shape=False,
        ),
    }
)
"""Every format that there is, by the name that ``--detector-format`` takes."""


def format_of(answer: Answer, network: Session, name: str) -> str:
    """The format of a network, by its answer to a grey picture.

    Raises:
        InputError: none fits, or several do.
    """
    found = [key for key, form in FORMATS.items() if form.fits(answer)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise refusal(network, name)
    raise InputError(
        f"{name} may be of the formats {' and '.join(found)}, which its outputs "
        f"{'; '.join(map(str, network.outputs))} do not tell apart; say which: --detector-format"
    )


def refusal(network: Session, name: str) -> InputError:
    """What is said of a network of no known format."""
    known = "\n".join(f"  {key:<18} {form.interface}" for key, form in FORMATS.items())
    return InputError(
        f"{name} is not a person detector that edgeattr knows. It has the inputs "
        f"{'; '.join(map(str, network.inputs))} and the outputs "
        f"{'; '.join(map(str, network.outputs))}. Known are, of a picture [N, 3, H, W] or "
        f"[N, H, W, 3] of floats or bytes (--detector-format insists on one):\n{known}"
    )
