"""RT-DETR and D-FINE: small real graphs of both interfaces, with known boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeattr.core.errors import InputError
from edgeattr.video.detectors import NetworkDetector, open_detector

from .networks import save_network

_ENGINES = pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
_SHARES = np.array([[[0.5, 0, 1, 0.5], [0, 0, 0.25, 1], [0.1, 0.1, 0.9, 0.9]]], np.float32)


def _red_mean(picture: str) -> list[object]:
    """Nodes that give the mean of a picture's first plane as ``red``, [1, 1]."""
    return [
        helper.make_node("Gather", [picture, "first"], ["plane"], axis=1),
        helper.make_node("ReduceMean", ["plane"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "one_one"], ["red"]),
    ]


_CONSTANTS = {"first": np.array([0], np.int64), "one_one": np.array([1, 1], np.int64)}


def _authors_export(path: Path, batch: str | int = "N") -> Path:
    """Three boxes: a person as sure as the picture is red, a person of 0.3, something else."""
    return save_network(
        path,
        {
            "images": (TensorProto.FLOAT, [batch, 3, 32, 48]),
            "orig_target_sizes": (TensorProto.INT64, [batch, 2]),
        },
        [
            *_red_mean("images"),
            helper.make_node("Concat", ["red", "others"], ["scores"], axis=1),
            helper.make_node("Identity", ["classes"], ["labels"]),
            helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["size", "size"], ["sizes"], axis=1),
            helper.make_node("Unsqueeze", ["sizes", "one"], ["each"]),
            helper.make_node("Mul", ["shares", "each"], ["boxes"]),
        ],
        {
            "labels": (TensorProto.INT64, [batch, 3]),
            "boxes": (TensorProto.FLOAT, [batch, 3, 4]),
            "scores": (TensorProto.FLOAT, [batch, 3]),
        },
        {
            **_CONSTANTS,
            "one": np.array([1], np.int64),
            "others": np.array([[0.3, 0.95]], np.float32),
            "classes": np.array([[0, 0, 16]], np.int64),
            "shares": _SHARES,
        },
    )


def _logits_export(path: Path, classes: int, person: int, sides: list[int | str]) -> Path:
    """Two queries: a person whose log-odds are 4 times the picture's red; another class."""
    logits = np.full((1, 2, classes), -9, np.float32)
    logits[0, 0, person] = 0
    logits[0, 1, (person + 1) % classes] = 0 if classes > 1 else -9
    return save_network(
        path,
        {"pixel_values": (TensorProto.FLOAT, ["batch", 3, *sides])},
        [
            *_red_mean("pixel_values"),
            helper.make_node("Mul", ["red", "four"], ["more"]),
            helper.make_node("Add", ["start", "more"], ["logits"]),
            helper.make_node("Identity", ["where"], ["pred_boxes"]),
        ],
        {
            "logits": (TensorProto.FLOAT, ["batch", 2, classes]),
            "pred_boxes": (TensorProto.FLOAT, ["batch", 2, 4]),
        },
        {
            **_CONSTANTS,
            "four": np.array(4, np.float32),
            "start": logits,
            "where": np.array([[[0.5, 0.5, 0.5, 1.2], [0.2, 0.2, 0.1, 0.1]]], np.float32),
        },
    )


@_ENGINES
@pytest.mark.parametrize("batch", ["N", 1])
def test_the_authors_export(tmp_path: Path, engine: str, batch: str | int) -> None:
    detector = open_detector(_authors_export(tmp_path / "net.onnx", batch), engine=engine)
    assert isinstance(detector, NetworkDetector)
    assert detector.format == "rt-detr"
    image = np.zeros((100, 200, 3), np.uint8)
    image[..., 2] = 204  # red of 0.8; blue would give 0
    found = detector.detect(image)
    assert found.scores == pytest.approx([0.8, 0.3], abs=1e-3)
    assert found.boxes.tolist() == [[100, 0, 200, 50], [0, 0, 50, 100]]
    image[..., 2] = 51
    assert detector.detect(image).scores == pytest.approx([0.3, 0.2], abs=1e-3)


@_ENGINES
@pytest.mark.parametrize(("classes", "person"), [(80, 0), (91, 1), (1, 0)])
def test_hugging_face_s_export(tmp_path: Path, engine: str, classes: int, person: int) -> None:
    path = _logits_export(tmp_path / "net.onnx", classes, person, [32, 32])
    detector = open_detector(path, engine=engine)
    assert isinstance(detector, NetworkDetector)
    assert detector.format == "detr-logits"
    image = np.zeros((50, 80, 3), np.uint8)
    image[..., 2] = 255
    found = detector.detect(image)
    assert found.boxes.tolist() == [[20, 0, 60, 50]]  # cut off above and below
    assert found.scores == pytest.approx([1 / (1 + np.exp(-4))], abs=1e-4)


@_ENGINES
def test_free_sides_become_640(tmp_path: Path, engine: str) -> None:
    path = _logits_export(tmp_path / "net.onnx", 80, 0, ["height", "width"])
    image = np.zeros((50, 80, 3), np.uint8)
    assert len(open_detector(path, engine=engine).detect(image)) == 1


def test_other_classes_are_refused(tmp_path: Path) -> None:
    path = _logits_export(tmp_path / "net.onnx", 92, 1, [32, 32])
    with pytest.raises(InputError, match="has 92 classes, of which none is known to be the person"):
        open_detector(path)
