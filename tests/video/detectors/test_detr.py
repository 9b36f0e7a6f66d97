"""RT-DETR and D-FINE: small real graphs of both interfaces, with known boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeattr.video.detectors import NetworkDetector, open_detector

from .networks import save_network

_SHARES = np.array([[[0.5, 0, 1, 0.5], [0, 0, 0.25, 1], [0.1, 0.1, 0.9, 0.9]]], np.float32)


def _authors_export(path: Path, batch: str | int = "N") -> Path:
    """Three boxes: a person as sure as the picture is red, a person of 0.3, something else."""
    return save_network(
        path,
        {
            "images": (TensorProto.FLOAT, [batch, 3, 32, 48]),
            "orig_target_sizes": (TensorProto.INT64, [batch, 2]),
        },
        [
            helper.make_node("Gather", ["images", "first"], ["plane"], axis=1),
            helper.make_node("ReduceMean", ["plane"], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Reshape", ["mean", "one_one"], ["red"]),
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
            "first": np.array([0], np.int64),
            "one_one": np.array([1, 1], np.int64),
            "one": np.array([1], np.int64),
            "others": np.array([[0.3, 0.95]], np.float32),
            "classes": np.array([[0, 0, 16]], np.int64),
            "shares": _SHARES,
        },
    )


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
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
