"""YOLOX: the real network, boxes that overlap or leave the picture, and what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError, RuntimeFailure
from edgeattr.video.detectors import NetworkDetector, open_detector

from .networks import fixed_yolox

_CELLS = sum((64 // stride) ** 2 for stride in (8, 16, 32))


def test_people_close_together_are_two_and_one_seen_twice_is_one(tmp_path: Path) -> None:
    output = np.zeros((1, _CELLS, 6), np.float32)
    output[0, 0] = [2.5, 4, np.log(2), np.log(4), 1, 0.9]  # 16 wide and 32 high, middle (20, 32)
    output[0, 1] = [2.5, 4, np.log(2), np.log(4), 1, 0.8]  # 8 to the right: overlap 1/3
    output[0, 2] = [1.8, 4, np.log(2), np.log(4), 1, 0.7]  # 2.4 right of the second: 0.74
    found = open_detector(fixed_yolox(tmp_path / "n.onnx", output)).detect(
        np.zeros((64, 64, 3), np.uint8)
    )
    assert found.scores == pytest.approx([0.9, 0.8])
    assert found.boxes[:, 0] == pytest.approx([12, 20], abs=1e-3)


def test_boxes_end_at_the_picture(tmp_path: Path) -> None:
    output = np.zeros((1, _CELLS, 6), np.float32)
    output[0, 0] = [0, 0, 3, 3, 1, 1]
    detector = open_detector(fixed_yolox(tmp_path / "net.onnx", output))
    for height, width in ((64, 32), (32, 64), (1000, 3)):
        box = detector.detect(np.zeros((height, width, 3), np.uint8)).boxes[0]
        assert box.min() >= 0
        assert box[2] <= width
        assert box[3] <= height


@pytest.mark.parametrize("cells", [10, _CELLS + 4])
def test_another_number_of_predictions_is_refused(tmp_path: Path, cells: int) -> None:
    other = fixed_yolox(tmp_path / "other.onnx", np.zeros((1, cells, 85), np.float32))
    with pytest.raises(
        InputError, match=rf"has the inputs .*outputs output float32 \[1, {cells}, "
    ):
        open_detector(other)


def test_real_network_finds_the_people_of_a_real_frame(
    detector_files: Path, frames: list[Image]
) -> None:
    with open_detector(detector_files / "yolox_nano.onnx", threads=1) as detector:
        assert isinstance(detector, NetworkDetector)
        assert detector.format == "yolox"
        assert (detector.name, detector.engine) == ("yolox_nano", "onnxruntime")
        assert (detector.detect(frames[0]).scores < 0.4).all()
        found = detector.detect(frames[1])
        counts = [int((detector.detect(frame).scores > 0.4).sum()) for frame in frames[-2:]]
    assert found.scores[0] > 0.6
    assert found.boxes[0] == pytest.approx([385, 12, 522, 397], abs=14)
    assert counts == [2, 3]
    with pytest.raises(RuntimeFailure, match="yolox_nano was closed"):
        detector.detect(frames[0])
