"""RT-DETR (Zhao et al. 2024, arXiv 2304.08069) and D-FINE (Peng et al. 2024, arXiv 2410.13842)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image, resize_crop
from edgeattr.core.errors import InputError
from edgeattr.video.detectors.from_network import Arrays, NetworkDetector, Picture, picture_of
from edgeattr.video.detectors.nms import in_pixels, inside
from edgeattr.video.detectors.protocol import Detections
from edgeattr_runtimes.session import Port, Session

__all__ = ["DetrDetector", "DetrLogitsDetector"]

_FREE = 640  # pixels of both sides where an export leaves them free: what both were trained at
_SIZES = "orig_target_sizes"
_PERSON = {80: 0, 91: 1, 1: 0}  # classes -> person: COCO's 80; its 91 numbers with gaps; one alone


class _Stretched(NetworkDetector):
    """Pictures are red-green-blue, 0..1, stretched, and averaged where they shrink."""

    def _fill(self, image: Image, picture: Image) -> None:
        resize_crop(image, picture.shape[0], picture.shape[1], out=picture)


class DetrDetector(_Stretched):
    """An export of RT-DETR's or D-FINE's authors: the network gives boxes in pixels.

    The person is label 0: their labels are COCO's 80 classes in order, or one class alone.

    Args:
        network: of the inputs ``images`` [1, 3, H, W] and ``orig_target_sizes`` [1, 2], width and
            height, and the outputs ``labels`` [1, n], ``boxes`` [1, n, 4] and ``scores`` [1, n].
        name: for logs and reports.
        min_score: people less certain than this are left out.

    Raises:
        InputError: not such an export.
        RuntimeFailure: the engine cannot run it.
    """

    interface = (
        "RT-DETR or D-FINE: inputs images [1, 3, H, W] and orig_target_sizes [1, 2], outputs "
        "labels, boxes, scores"
    )

    def __init__(self, network: Session, name: str, *, min_score: float = 0.15) -> None:
        super().__init__(network, name, min_score)
        self._places = [_place(network.outputs, wanted) for wanted in ("labels", "boxes", "scores")]

    @classmethod
    def recognise(cls, network: Session) -> Picture | None:
        """See :meth:`NetworkDetector.recognise`."""
        given, taken = _names(network.outputs), _names(network.inputs)
        if not given >= {"labels", "boxes", "scores"} or len(network.inputs) != 2:
            return None
        if not taken >= {"images", _SIZES}:
            return None
        return _rgb(network.inputs[_place(network.inputs, "images")])

    def _others(self, image: Image) -> Mapping[str, npt.NDArray[Any]]:
        return {_SIZES: np.array([image.shape[1::-1]], np.int64)}

    def _people(self, outputs: Arrays, shape: tuple[int, ...]) -> Detections:
        labels, boxes, scores = (outputs[place][0] for place in self._places)
        keep = (labels == 0) & (scores >= self._min_score)
        return inside(boxes[keep], scores[keep], shape)


class DetrLogitsDetector(_Stretched):
    """The same networks as Hugging Face's tools export them: log-odds and boxes in shares.

    Which class is the person follows from how many there are: 0 of 80 (COCO's classes in order),
    1 of 91 (COCO's own numbers), 0 of 1. The older DETR, whose classes exclude each other, has 92
    and is refused.

    Args:
        network: of the input ``pixel_values`` [1, 3, H, W] and the outputs ``logits``
            [1, n, classes] and ``pred_boxes`` [1, n, 4]: centre, width and height, 0..1.
        name: for logs and reports.
        min_score: people less certain than this are left out.

    Raises:
        InputError: not such an export, or with other classes.
        RuntimeFailure: the engine cannot run it.
    """

    interface = (
        "RT-DETR or D-FINE of Hugging Face: input pixel_values [1, 3, H, W], outputs logits "
        "[1, n, classes] and pred_boxes [1, n, 4]"
    )

    def __init__(self, network: Session, name: str, *, min_score: float = 0.15) -> None:
        super().__init__(network, name, min_score)
        self._places = [_place(network.outputs, wanted) for wanted in ("logits", "pred_boxes")]
        classes = self._outputs(0)[self._places[0]].shape[-1]
        if classes not in _PERSON:
            raise InputError(
                f"{name} has {classes} classes, of which none is known to be the person; "
                "80 or 91 (COCO) or 1 are"
            )
        self._person = _PERSON[classes]

    @classmethod
    def recognise(cls, network: Session) -> Picture | None:
        """See :meth:`NetworkDetector.recognise`."""
        if _names(network.inputs) != {"pixel_values"}:
            return None
        if not _names(network.outputs) >= {"logits", "pred_boxes"}:
            return None
        return _rgb(network.inputs[0])

    def _people(self, outputs: Arrays, shape: tuple[int, ...]) -> Detections:
        logits, found = (outputs[place][0].astype(np.float32) for place in self._places)
        scores = 1 / (1 + np.exp(-logits[:, self._person]))
        keep = scores >= self._min_score
        centres, sizes = found[keep, :2], found[keep, 2:]
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], 1)
        return inside(in_pixels(boxes, shape), scores[keep], shape)


def _rgb(port: Port) -> Picture | None:
    return picture_of(port, free=_FREE, rgb=True, scale=1 / 255)


def _names(ports: tuple[Port, ...]) -> set[str]:
    return {name for port in ports for name in port.names}


def _place(ports: tuple[Port, ...], name: str) -> int:
    return next(place for place, port in enumerate(ports) if name in port.names)
