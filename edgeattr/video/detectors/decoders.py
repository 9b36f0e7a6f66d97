"""From a network's outputs to boxes and scores of people, one function a family of detectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError
from edgeattr_runtimes.session import Operation, Port

_Floats = npt.NDArray[np.float32]
Found = tuple[_Floats, _Floats]
"""Boxes [n, 4] (left, top, right, bottom in pixels of the picture) and scores [n] of people."""

_STRIDES = (8, 16, 32)  # pixels of a cell on each level of a YOLO's head
_ODDS = (0.7 / 0.3) / (0.45 / 0.55)  # SSD's of 0.7, by those of the score that means as much
_PERSON = {80: 0, 91: 1, 1: 0}  # classes -> person: COCO's 80; its 91 numbers with gaps; one alone
SSD_ROW = 7  # image, label, confidence, left, top, right, bottom; the last four in 0..1


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a network gave for a picture."""

    ports: tuple[Port, ...]
    arrays: list[npt.NDArray[Any]]  # one a port, with its batch
    height: int  # of the picture, pixels
    width: int

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the arrays."""
        return [array.shape for array in self.arrays]

    def has(self, *names: str) -> bool:
        """Whether there are outputs of all these names; what exporters put before them is left."""
        return all(self._place(name) is not None for name in names)

    def named(self, name: str) -> npt.NDArray[Any]:
        """The output of a name; a KeyError if there is none."""
        place = self._place(name)
        if place is None:
            raise KeyError(name)
        return self.arrays[place]

    def in_pixels(self, shares: _Floats) -> _Floats:
        """Boxes in shares of the picture, in pixels."""
        return shares * np.array([self.width, self.height] * 2, np.float32)

    def _place(self, name: str) -> int | None:
        for place, port in enumerate(self.ports):
            if any(found == name or found.endswith(f"_{name}") for found in port.names):
                return place
        return None


def yolox_raw(answer: Answer, least: float) -> Found:
    """YOLOX's head as it is, [N, n, 5 + classes]: offsets in cells and logarithms of sizes."""
    rows = answer.arrays[0][0]
    scores = rows[:, 4] * rows[:, 5]
    keep = np.flatnonzero(scores >= least)
    corners, strides = cells(answer.height, answer.width)
    found, stride = rows[keep, :4].astype(np.float32), strides[keep]
    centres = (found[:, :2] + corners[keep]) * stride
    return _from_centres(centres, np.exp(found[:, 2:]) * stride), scores[keep]


def rows_with_objectness(answer: Answer, least: float) -> Found:
    """[N, n, 5 + classes]: centre, size, objectness, classes of which the first is the person."""
    rows = answer.arrays[0][0]
    scores = rows[:, 4] * rows[:, 5]
    keep = np.flatnonzero(scores >= least)
    return _from_centres(rows[keep, :2], rows[keep, 2:4]), scores[keep]


def columns(answer: Answer, least: float) -> Found:
    """[N, 4 + classes, n]: centre, size, scores of classes; the first is the person."""
    return _columns(answer.arrays[0][0], least)


def columns_transposed(answer: Answer, least: float) -> Found:
    """The same as rows, [N, n, 4 + classes]."""
    return _columns(answer.arrays[0][0].T, least)


def end_to_end(answer: Answer, least: float) -> Found:
    """[N, n, 6]: corners, score, class; class 0 is the person."""
    rows = answer.arrays[0][0]
    keep = (rows[:, 4] >= least) & (np.round(rows[:, 5]) == 0)
    return rows[keep, :4], rows[keep, 4]


def labels_boxes_scores(answer: Answer, least: float) -> Found:
    """RT-DETR's and D-FINE's authors: boxes in pixels; label 0 is the person."""
    labels, boxes, scores = (answer.named(name)[0] for name in ("labels", "boxes", "scores"))
    keep = (labels == 0) & (scores >= least)
    return boxes[keep], scores[keep]


def detr_logits(answer: Answer, least: float) -> Found:
    """Hugging Face's RT-DETR and D-FINE: log-odds [N, n, classes], boxes in shares."""
    classes = answer.named("logits").shape[-1]
    if classes not in _PERSON:
        raise InputError(
            f"the network has {classes} classes, of which none is known to be the person; 80 or 91 "
            "(COCO) or 1 are"
        )
    return _queries(answer, "logits", "pred_boxes", _PERSON[classes], least)


def rf_detr(answer: Answer, least: float) -> Found:
    """RF-DETR: `labels` are log-odds of COCO's 91 numbers, or of one's own classes and of none."""
    is_coco = answer.named("labels").shape[-1] == 91
    return _queries(answer, "labels", "dets", _PERSON[91] if is_coco else 0, least)


def boxes_and_scores(answer: Answer, least: float) -> Found:
    """YOLO-NAS without its suppression: corners [N, n, 4] and scores [N, n, classes]."""
    boxes, scores = sorted(answer.arrays[:2], key=lambda array: array.shape[-1] != 4)
    people = scores[0, :, 0]
    keep = np.flatnonzero(people >= least)
    return boxes[0, keep], people[keep]


def batch_predictions(answer: Answer, least: float) -> Found:
    """YOLO-NAS: as many rows as `num_predictions` says; class 0 is the person."""
    count = int(answer.named("num_predictions").ravel()[0])
    boxes, scores, classes = (
        answer.named(name)[0, :count] for name in ("pred_boxes", "pred_scores", "pred_classes")
    )
    keep = (classes == 0) & (scores >= least)
    return boxes[keep], scores[keep]


def flat_predictions(answer: Answer, least: float) -> Found:
    """YOLO-NAS: [n, 7] of the picture's number, corners, score, class; class 0 is the person."""
    rows = answer.arrays[0]
    keep = (rows[:, 0] == 0) & (rows[:, 5] >= least) & (rows[:, 6] == 0)
    return rows[keep, 1:5], rows[keep, 5]


def detection_output(answer: Answer, least: float) -> Found:
    """OpenVINO's DetectionOutput, [1, 1, n, 7], which names the label of the background.

    That is 0 in the detectors that came from Caffe (pedestrian-detection-adas-0002,
    person-detection-retail-0013), the last one in those from PyTorch (person-detection-0200 to
    0202); in a detector of people alone the one other label is the person.

    Its confidences are higher than YOLOX's, above all for what is nobody, so their odds are divided
    by 2.85: 0.7 becomes 0.45, from which the tracker believes in a person. On two indoor videos
    pedestrian-detection-adas-0002 then had 12 and 8 tracks where YOLOX-nano had 6 and 7; with its
    confidences as they are, 20 and 13.
    """
    rows = answer.arrays[0].reshape(-1, SSD_ROW)
    ended = np.flatnonzero(rows[:, 0] < 0)  # image -1 stands behind the last row
    rows = rows[: ended[0]] if len(ended) else rows
    rows = rows[(rows[:, 0] == 0) & (rows[:, 1] == _person_label(answer.ports[0].made_by))]
    scores = rows[:, 2] / (rows[:, 2] + _ODDS * (1 - rows[:, 2]))
    keep = scores >= least
    return answer.in_pixels(rows[keep, 3:]), scores[keep]


def cells(height: int, width: int) -> Found:
    """Place and stride of a YOLO's predictions: [n, 2] in cells, and [n, 1] in pixels."""
    grids, strides = [], []
    for stride in _STRIDES:
        rows, columns = height // stride, width // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        grids.append(np.stack([x.ravel(), y.ravel()], 1))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _columns(found: npt.NDArray[Any], least: float) -> Found:
    keep = np.flatnonzero(found[4] >= least)
    return _from_centres(found[:2, keep].T, found[2:4, keep].T), found[4, keep]


def _queries(answer: Answer, logits: str, boxes: str, person: int, least: float) -> Found:
    """Each query's log-odds of classes, and its box as centre and size in shares."""
    rows, found = (answer.named(name)[0].astype(np.float32) for name in (logits, boxes))
    scores = np.exp(-np.logaddexp(0, -rows[:, person]))
    keep = scores >= least
    return answer.in_pixels(_from_centres(found[keep, :2], found[keep, 2:])), scores[keep]


def _from_centres(centres: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> _Floats:
    half = sizes.astype(np.float32) / 2
    return np.concatenate([centres - half, centres + half], 1)


def _person_label(made_by: Operation | None) -> int:
    """The one label that is not the background's."""
    if made_by is None or made_by.kind != "DetectionOutput":
        kind = made_by.kind if made_by else "unknown"
        raise InputError(
            f"the network's last operation is {kind} and not DetectionOutput, so that its labels "
            "are not known; give the IR as Open Model Zoo publishes it"
        )
    _, confidences, priors = made_by.inputs[:3]  # [1, n * labels], [1, 1 or 2, n * 4]
    if confidences[-1] is None or not priors[-1]:
        raise InputError("the network's number of labels is not fixed")
    labels = confidences[-1] * 4 // priors[-1]
    others = set(range(labels)) - {int(made_by.attributes["background_label_id"])}
    if len(others) != 1:
        raise InputError(
            f"the network finds {len(others)} kinds of things and does not say which is a person; "
            "give a detector of people alone"
        )
    return others.pop()
