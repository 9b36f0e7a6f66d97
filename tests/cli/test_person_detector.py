"""`info`, `bench`, `eval` and `convert` of the person detector's bundle."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edgeattr.core import hub
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr_runtimes import detection

from ..conftest import draw_person
from .program import edgeattr


@pytest.fixture
def drawn_mot(tmp_path: Path) -> Path:
    """Twelve frames of a drawn person with their box."""
    frames, lines = tmp_path / "S" / "img1", []
    frames.mkdir(parents=True)
    for number in range(1, 13):
        frame = np.full((288, 512, 3), 190, np.uint8)
        draw_person(frame, 36 * number)
        cv2.imwrite(str(frames / f"{number:06d}.jpg"), frame)
        lines.append(f"{number},1,{36 * number - 22},61,44,155,1,-1,-1,-1\n")
    (tmp_path / "S" / "gt").mkdir()
    (tmp_path / "S" / "gt" / "gt.txt").write_text("".join(lines))
    return tmp_path


def _run(*arguments: object) -> str:
    return edgeattr(*arguments).stdout


def test_info() -> None:
    said = _run("info", "person")
    assert "person from score 0.45" in said
    assert "licence  " in said
    assert "YOLOX" in said
    told = json.loads(_run("info", "person", "--json"))
    assert told["task"] == "person-detection"


def test_bench_tells_frames_per_second() -> None:
    told = json.loads(
        _run("bench", "person", "--seconds", "0.1", "--threads", 1, "--json", "-", "--quiet")
    )
    rows = {(row["runtime"], row["precision"]): row for row in told["results"]}
    assert {("onnxruntime", "fp32")} <= set(rows)
    assert all(row["frames_per_second"] > 0 for row in rows.values())


def test_convert_refuses_a_place_before_any_work(tmp_path: Path) -> None:
    packed = tmp_path / "packed.edgeattr"
    DetectionBundle.read(hub.person_bundle()).zip(packed)
    told = edgeattr("convert", packed, "--fp16", "--to", "openvino", code=2)
    assert "is a packed bundle" in told.stderr
    told = edgeattr("convert", "person", "--fp16", "--out", tmp_path / "small", code=2)
    assert "a bundle's name ends in .edgeattr" in told.stderr
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "small.edgeattr"
    told = edgeattr("convert", "person", "--fp16", "--out", place, code=1)
    assert "cannot be written" in told.stderr


def test_eval_on_boxes(drawn_mot: Path) -> None:
    told = json.loads(
        _run("eval", "person", "--data", f"mot:{drawn_mot}", "--json", "-", "--quiet")
    )
    assert set(told) == {
        "dataset", "images", "model", "runtime", "precision", "AP50", "recall", "box_precision",
        "images_per_second", "MOTA", "IDF1", "switches", "tracks", "persons", "sequences",
    }  # fmt: skip
    assert (told["dataset"], told["images"], told["model"]) == ("mot", 12, "person")
    assert (told["recall"], told["box_precision"]) == (100, 100)


def test_eval_on_boxes_without_a_model_is_of_the_detector_that_ships(drawn_mot: Path) -> None:
    told = json.loads(_run("eval", "--data", f"mot:{drawn_mot}", "--json", "-", "--quiet"))
    assert told["model"] == "person"


def test_eval_s_format_is_of_detectors_alone() -> None:
    told = edgeattr("eval", "default", "--data", "peta:there", "--detector-format", "yolox", code=2)
    assert "pass --data mot:DIR or coco:DIR" in told.stderr


def test_fp16_is_proven_and_written_beside(
    drawn_mot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeattr_convert.speed.LOOK_SECONDS", 0.3)
    out = tmp_path / "small.edgeattr"
    data = f"mot:{drawn_mot}"
    _run("convert", "person", "--fp16", "--to", "openvino", "--eval", data, "--out", out)
    variant = DetectionBundle.read(out).variant("openvino-fp16")
    assert variant.parent == "onnx-fp32"
    assert variant.parity <= variant.tolerance < 0.5  # processors with BF16 compute in it
    assert variant.speed["frames_per_second"] > 0
    assert "AP50" in variant.metrics
    assert "openvino-fp16" not in DetectionBundle.read(hub.person_bundle()).variants  # as it was


def test_int8_that_loses_boxes_in_float32_alone_is_refused(
    drawn_mot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a processor with bfloat16, where INT8 must hold without it too."""
    real = detection.DetectionRuntime

    class Blind(real):  # type: ignore[misc,valid-type]
        def run(self, frames: detection.Frames) -> detection.Found:
            boxes, scores = super().run(frames)
            return boxes, scores * 0

    def opened(*arguments: object, half: bool | None = None, **options: object) -> object:
        return (Blind if half is False else real)(*arguments, **options)

    monkeypatch.setattr("edgeattr_convert.speed.LOOK_SECONDS", 0.3)
    monkeypatch.setattr("edgeattr_convert.detection.has_half_precision", lambda engine: True)
    monkeypatch.setattr("edgeattr_convert.detection.DetectionRuntime", opened)
    options = ("--calib", f"mot:{drawn_mot}", "--min-speedup", 0, "--out", tmp_path / "a.edgeattr")
    told = edgeattr("convert", "person", "--int8", *options, code=3)
    assert "nothing was written" in told.stderr
    assert not (tmp_path / "a.edgeattr").exists()


def test_tensorrt_s_file_is_proven_by_onnx_runtime_where_there_is_no_gpu(tmp_path: Path) -> None:
    out = tmp_path / "small.edgeattr"
    _run("convert", "person", "--fp16", "--to", "tensorrt", "--out", out)
    made = DetectionBundle.read(out)
    variant = made.variant("tensorrt-fp16")
    assert variant.parity < 0.05
    assert variant.speed == {}
    assert "on onnxruntime, since tensorrt cannot run here" in variant.verdict
    assert onnx.load_from_string(made.read_file(variant)).opset_import[0].version == 17


def test_int8_is_one_file_for_both_engines_that_rounds_no_answer(
    drawn_mot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeattr_convert.speed.LOOK_SECONDS", 0.3)
    out = tmp_path / "small.edgeattr"
    data = f"mot:{drawn_mot}"
    _run("convert", "person", "--int8", "--calib", data, "--min-speedup", 0, "--out", out)
    made = DetectionBundle.read(out)
    variants = [made.variant(name) for name in ("onnx-int8", "openvino-int8")]
    assert len({variant.file for variant in variants}) == 1
    assert all(variant.calibration["images"] == 12 for variant in variants)
    graph = onnx.load_from_string(made.read_file(variants[0])).graph
    rounded = {name for n in graph.node if n.op_type == "DequantizeLinear" for name in n.output}
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    kept = [n.name for n in convolutions if n.input[0] not in rounded]
    assert kept == [convolutions[0].name]
    given = {n.output[0] for n in convolutions}
    assert not any(n.op_type == "QuantizeLinear" and n.input[0] in given for n in graph.node)


def test_int8_of_one_engine_anew_leaves_the_other_s(
    drawn_mot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both had one file."""
    monkeypatch.setattr("edgeattr_convert.speed.LOOK_SECONDS", 0.3)
    out, data = tmp_path / "small.edgeattr", f"mot:{drawn_mot}"
    options = ("--int8", "--to", "onnx", "--calib", data, "--min-speedup", 0, "--out", out)
    _run("convert", "person", *options)
    made, shipped = DetectionBundle.read(out), DetectionBundle.read(hub.person_bundle())
    ours, theirs = (made.read_file(made.variant(f"{name}-int8")) for name in ("onnx", "openvino"))
    assert ours != theirs == shipped.read_file(shipped.variant("openvino-int8"))


def test_int8_for_tensorrt_has_zero_points_of_zero(drawn_mot: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "small.edgeattr", f"mot:{drawn_mot}"
    _run("convert", "person", "--int8", "--to", "tensorrt", "--calib", data, "--out", out)
    made = DetectionBundle.read(out)
    graph = onnx.load_from_string(made.read_file(made.variant("tensorrt-int8"))).graph
    constants = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    points = [constants[n.input[2]] for n in graph.node if n.op_type == "QuantizeLinear"]
    assert len(points) > 10
    assert not any(point.any() for point in points)
    restored = [constants.get(n.input[0]) for n in graph.node if n.op_type == "DequantizeLinear"]
    assert not any(array is not None and array.dtype == np.int32 for array in restored)  # biases


def test_int8_without_boxes_to_prove_it_on_is_refused(tmp_path: Path) -> None:
    options = ("--int8", "--calib", tmp_path, "--out", tmp_path / "a.edgeattr")
    said = edgeattr("convert", "person", *options, code=2).stderr
    assert "has no boxes to prove INT8 on: pass --eval mot:DIR" in said
