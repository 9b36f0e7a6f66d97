"""Open Model Zoo's person detectors of the SSD family (Liu et al. 2016, arXiv 1512.02325)."""

from __future__ import annotations

import numpy as np

from edgeattr.core.errors import InputError
from edgeattr.video.detectors.from_network import Arrays, NetworkDetector, Picture, picture_of
from edgeattr.video.detectors.nms import in_pixels, inside
from edgeattr.video.detectors.protocol import Detections
from edgeattr_runtimes.session import Operation, Session

__all__ = ["SsdDetector"]

_ODDS = (0.7 / 0.3) / (0.45 / 0.55)  # of 0.7, by those of the score that means as much elsewhere
_ROW = 7  # image, label, confidence, left, top, right, bottom; the last four in 0..1


class SsdDetector(NetworkDetector):
    """An SSD whose last operation is OpenVINO's DetectionOutput, which suppresses overlaps.

    Pictures are blue-green-red, 0..255, stretched. Which label is the person is read off that
    operation: it names the label of the background, 0 in the detectors that came from Caffe
    (pedestrian-detection-adas-0002, person-detection-retail-0013), and the last one in those from
    PyTorch (person-detection-0200 to 0202); in a detector of people alone the one other label is
    the person, 1 or 0.

    Its confidences are higher than YOLOX's, above all for what is nobody, so their odds are divided
    by 2.85: 0.7 becomes 0.45, from which the tracker believes in a person. On two indoor videos
    pedestrian-detection-adas-0002 then had 12 and 8 tracks where YOLOX-nano had 6 and 7; with its
    confidences as they are, 20 and 13.

    Args:
        network: of one input [1, 3, H, W] and one output [1, 1, n, 7].
        name: for logs and reports.
        min_score: people less certain than this are left out.

    Raises:
        InputError: not such an SSD, or one that finds more than one kind of thing.
        RuntimeFailure: the engine cannot run it.
    """

    interface = "Open Model Zoo's SSD: input [1, 3, H, W], output [1, 1, n, 7] of DetectionOutput"

    def __init__(self, network: Session, name: str, *, min_score: float = 0.3) -> None:
        self._person = _person_label(network.outputs[0].made_by, name)
        super().__init__(network, name, min_score)

    @classmethod
    def recognise(cls, network: Session) -> Picture | None:
        """See :meth:`NetworkDetector.recognise`."""
        if len(network.inputs) != 1 or len(network.outputs) != 1:
            return None
        shape = network.outputs[0].shape
        is_ssd = len(shape) == 4 and shape[1] in (1, None) and shape[3] == _ROW
        return picture_of(network.inputs[0]) if is_ssd else None

    def _people(self, outputs: Arrays, shape: tuple[int, ...]) -> Detections:
        rows = outputs[0].reshape(-1, _ROW)
        ended = np.flatnonzero(rows[:, 0] < 0)  # image -1 stands behind the last row
        rows = rows[: ended[0]] if len(ended) else rows
        rows = rows[rows[:, 1] == self._person]
        scores = rows[:, 2] / (rows[:, 2] + _ODDS * (1 - rows[:, 2]))
        keep = scores >= self._min_score
        return inside(in_pixels(rows[keep, 3:], shape), scores[keep], shape)


def _person_label(made_by: Operation | None, name: str) -> int:
    """The one label that is not the background's."""
    if made_by is None or made_by.kind != "DetectionOutput":
        kind = made_by.kind if made_by else "unknown"
        raise InputError(
            f"{name}: its last operation is {kind} and not DetectionOutput, so that its labels "
            "are not known; give the IR as Open Model Zoo publishes it"
        )
    _, confidences, priors = made_by.inputs[:3]  # [1, n * labels], [1, 1 or 2, n * 4]
    if confidences[-1] is None or not priors[-1]:
        raise InputError(f"{name}: its number of labels is not fixed")
    labels = confidences[-1] * 4 // priors[-1]
    background = int(made_by.attributes["background_label_id"])
    others = set(range(labels)) - {background}
    if len(others) != 1:
        raise InputError(
            f"{name} finds {len(others)} kinds of things and does not say which is a person; "
            "give a detector of people alone"
        )
    return others.pop()
