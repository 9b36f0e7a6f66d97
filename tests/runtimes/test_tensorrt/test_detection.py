"""The person detector on TensorRT: the make-believe GPU computes what ONNX Runtime makes of the
files that its engines were built of."""

from __future__ import annotations

import logging
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeattr.core import hub
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.video.detectors import open_detector

from ...video.detectors.test_formats import free_yolox


def test_the_bundle_finds_on_tensorrt_what_it_finds_elsewhere(
    trt: types.ModuleType, world: Any
) -> None:
    world.real = True
    frame = DetectionBundle.read(hub.person_bundle()).golden.frames[0]
    with open_detector("person", engine="onnxruntime", precision="fp32") as detector:
        expected = detector.detect(frame)
    for engine in ("auto", "tensorrt"):  # the second time from the cache
        with open_detector("person", engine=engine) as detector:
            assert (detector.engine, detector.precision) == ("tensorrt", "fp32")
            found = detector.detect(frame)
            assert len(detector.detect(np.zeros((90, 160, 3), np.uint8))) == 0
    assert np.allclose(found.boxes, expected.boxes, atol=1e-2)
    assert np.allclose(found.scores, expected.scores, atol=1e-4)
    assert len(world.named("Builder.build_serialized_network")) == 3  # golden, frame, black
    assert world.nothing_is_held()


def test_what_tensorrt_refuses_runs_elsewhere(
    installed: types.ModuleType, world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world.real, world.build_error = True, "out of workspace"
    with caplog.at_level(logging.WARNING), open_detector("person", threads=1) as detector:
        assert detector.engine != "tensorrt"
    assert "out of workspace" in caplog.text


def test_a_file_of_free_sides(installed: types.ModuleType, world: Any, tmp_path: Path) -> None:
    world.real = True
    path = free_yolox(tmp_path / "net.onnx")
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[:32, :32, 0] = 255
    plain, gpu = (
        open_detector(path, engine=engine, size=128, min_score=0.9)
        for engine in ("onnxruntime", "tensorrt")
    )
    with plain, gpu:
        assert gpu.detect(frame).boxes.tolist() == plain.detect(frame).boxes.tolist()
        assert len(plain.detect(frame)) > 0
    assert world.nothing_is_held()
