"""Open Model Zoo's SSD: both precisions on real frames, and which label is the person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError
from edgeattr.video.detectors import NetworkDetector, open_detector

from .networks import found_by

_SSD = "pedestrian-detection-adas-0002"


@pytest.mark.parametrize("precision", ["FP16", "FP16-INT8"])
def test_finds_the_people_that_yolox_finds(
    detector_files: Path, frames: list[Image], precision: str
) -> None:
    yolox = open_detector(detector_files / "yolox_nano.onnx")
    ssd = open_detector(detector_files / _SSD / precision)
    assert isinstance(ssd, NetworkDetector)
    assert ssd.format == "ssd"
    assert (ssd.name, ssd.engine) == (_SSD, "openvino")
    known = seen = false = 0
    for frame in frames:
        people, found = yolox.detect(frame), ssd.detect(frame)
        assert (np.diff(found.scores) <= 0).all()
        for box in people.boxes[people.scores > 0.5]:
            known += 1
            seen += found_by(box, found)
        for box in found.boxes[found.scores > 0.5]:
            false += not found_by(box, people)
    assert known >= 8
    assert seen >= known - 1
    assert false <= 1


def test_a_frame_of_nobody_starts_no_track(detector_files: Path, frames: list[Image]) -> None:
    ssd = open_detector(detector_files / _SSD / "FP16" / f"{_SSD}.xml")
    assert (ssd.detect(frames[0]).scores < 0.4).all()


def _ssd(path: Path, *, background: int, labels: int, person: int) -> Path:
    """An IR of SSD's last operation over four prior boxes; one of them holds a person."""
    import openvino
    from openvino import opset8

    picture = opset8.parameter([1, 3, 16, 32], np.float32, "image")
    zero = opset8.multiply(
        opset8.reduce_mean(picture, [0, 1, 2, 3]), opset8.constant(np.float32(0))
    )
    priors = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, 1, 0.5], [0, 0.5, 1, 1]], np.float32)
    sure = np.zeros((4, labels), np.float32)
    sure[:, background] = 1
    sure[1, person], sure[1, background] = 0.9, 0.1
    last = opset8.detection_output(
        opset8.add(opset8.constant(np.zeros((1, 16), np.float32)), zero),
        opset8.constant(sure.reshape(1, -1)),
        opset8.constant(priors.reshape(1, 1, -1)),
        {
            "background_label_id": background,
            "top_k": 4,
            "keep_top_k": [4],
            "code_type": "caffe.PriorBoxParameter.CORNER",
            "share_location": True,
            "nms_threshold": 0.45,
            "confidence_threshold": 0.01,
            "variance_encoded_in_target": True,
            "normalized": True,
        },
    )
    _save(openvino.Model([last], [picture], "ssd"), path)
    return path


def _save(model: Any, path: Path) -> None:
    import openvino

    model.outputs[0].get_tensor().set_names({"detection_out"})
    model.inputs[0].get_tensor().set_names({"image"})
    openvino.save_model(model, str(path))


@pytest.mark.parametrize(("background", "person"), [(0, 1), (1, 0)], ids=["Caffe", "PyTorch"])
def test_the_person_is_the_label_beside_the_background(
    tmp_path: Path, background: int, person: int
) -> None:
    path = _ssd(tmp_path / "n.xml", background=background, labels=2, person=person)
    found = open_detector(path).detect(np.zeros((100, 60, 3), np.uint8))
    assert found.boxes[0] == pytest.approx([30, 0, 60, 100], abs=1e-3)
    assert found.scores == pytest.approx([0.9 / (0.9 + 0.1 * 77 / 27)], abs=2e-3)


def test_several_kinds_of_things_are_refused(tmp_path: Path) -> None:
    path = _ssd(tmp_path / "n.xml", background=0, labels=4, person=2)
    with pytest.raises(InputError, match="finds 3 kinds of things and does not say which"):
        open_detector(path)


def test_rows_without_their_operation_are_refused(tmp_path: Path) -> None:
    import openvino
    from openvino import opset8

    picture = opset8.parameter([1, 3, 16, 32], np.float32, "image")
    rows = opset8.constant(np.zeros((1, 1, 4, 7), np.float32))
    total = opset8.reduce_mean(picture, [0, 1, 2, 3])
    _save(openvino.Model([opset8.add(rows, total)], [picture], "rows"), tmp_path / "n.xml")
    with pytest.raises(InputError, match="last operation is Add and not DetectionOutput"):
        open_detector(tmp_path / "n.xml")
