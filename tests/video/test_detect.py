from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeattr.errors import InputError, RuntimeFailure
from edgeattr.video.detect import MotionDetector, YoloxDetector
from edgeattr.video.source import VideoSource

_GRID = [(stride, 64 // stride) for stride in (8, 16, 32)]
_CELLS = sum(side * side for _, side in _GRID)


def _export(path: Path, output: np.ndarray) -> Path:
    """A stand-in network of YOLOX's interface that always gives the same output."""
    constant = helper.make_tensor("value", TensorProto.FLOAT, output.shape, output.ravel())
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["output"], value=constant)],
        "fixed",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, list(output.shape))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def _raw_output() -> np.ndarray:
    """Raw head output with a person of 16x32 around the centre of cell (3, 4) at stride 8."""
    output = np.zeros((1, _CELLS, 85), np.float32)
    output[0, 4 * 8 + 3] = 0
    output[0, 4 * 8 + 3, :6] = [0.5, 0.5, np.log(2), np.log(4), 0.9, 0.8]
    output[0, 4 * 8 + 4, :6] = [-0.5, 0.5, np.log(2), np.log(4), 0.9, 0.7]  # the same person
    output[0, 0, :7] = [0.5, 0.5, 0, 0, 0.9, 0.0, 0.9]  # something else: class 1
    return output


def _decoded_output() -> np.ndarray:
    output = _raw_output()
    place = 0
    for stride, side in _GRID:
        y, x = np.divmod(np.arange(side * side), side)
        rows = output[0, place : place + side * side]
        rows[:, 0] = (rows[:, 0] + x) * stride
        rows[:, 1] = (rows[:, 1] + y) * stride
        rows[:, 2:4] = np.exp(rows[:, 2:4]) * stride
        place += side * side
    return output


@pytest.mark.parametrize("output", [_raw_output(), _decoded_output()], ids=["raw", "decoded"])
def test_both_kinds_of_export_give_the_same_person_once(tmp_path: Path, output: np.ndarray) -> None:
    detector = YoloxDetector(_export(tmp_path / "net.onnx", output))
    found = detector.detect(np.zeros((128, 128, 3), np.uint8))  # letterboxed by one half
    assert len(found) == 1
    assert found.boxes[0] == pytest.approx([40, 40, 72, 104], abs=1e-3)
    assert found.scores[0] == pytest.approx(0.72, abs=1e-4)


def test_boxes_end_at_the_picture(tmp_path: Path) -> None:
    output = np.zeros((1, _CELLS, 6), np.float32)
    output[0, 0] = [0, 0, 3, 3, 1, 1]
    detector = YoloxDetector(_export(tmp_path / "net.onnx", output))
    box = detector.detect(np.zeros((64, 32, 3), np.uint8)).boxes[0]
    assert box.min() >= 0
    assert box[2] <= 32
    assert box[3] <= 64


def test_what_is_no_yolox(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such detector"):
        YoloxDetector(tmp_path / "none.onnx")
    other = _export(tmp_path / "other.onnx", np.zeros((1, 10, 85), np.float32))
    with pytest.raises(InputError, match="is not YOLOX's"):
        YoloxDetector(other)
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    with pytest.raises(RuntimeFailure, match="cannot open"):
        YoloxDetector(text)


def test_motion_follows_the_figure(walking_video: Path) -> None:
    detector = MotionDetector()
    with VideoSource(str(walking_video)) as source:
        found = {frame.index: detector.detect(frame.image) for frame in source.frames()}
    assert len(found[3]) == 0
    box = found[30].boxes[0]
    assert len(found[30]) == 1
    left = 10 + 7 * 25
    assert box == pytest.approx([left, 63, left + 34, 211], abs=14)


def test_real_network_finds_the_people_of_a_real_frame(shared: Path) -> None:
    detector = YoloxDetector(shared / "models" / "detectors" / "yolox_nano.onnx")
    with VideoSource(str(shared / "videos" / "one-by-one-person-detection.mp4")) as source:
        frames = {frame.index: frame.image for frame in source.frames() if frame.index in (0, 120)}
    assert (detector.detect(frames[0]).scores < 0.4).all()
    found = detector.detect(frames[120])
    assert found.scores[0] > 0.6
    left, top, right, bottom = found.boxes[0]
    assert 370 < left < 400
    assert 510 < right < 535
    assert top < 25
    assert 380 < bottom < 415
