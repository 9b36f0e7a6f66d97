"""Every format of other people's detectors: small graphs of the shapes that their exporters give.

The person is where the picture is red, and as sure as it is red: layout, colour order, scale and
the place of the frame in the picture all have to be right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from edgeattr.cli.app import app
from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.detectors import FORMATS, NetworkDetector, open_detector
from edgeattr.video.detectors.decoders import cells

from .networks import save_network

_SIDE = 128
_CELLS = len(cells(_SIDE, _SIDE)[1])  # 336
_TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "u8": TensorProto.UINT8}
_BOX = (32.0, 48.0, 64.0, 112.0)  # corners of the person, pixels of the picture
_CENTRE = (48.0, 80.0, 32.0, 64.0)
Floats = npt.NDArray[np.float32]


def _export(
    path: Path,
    outputs: dict[str, Floats],
    *,
    kind: str = "f32",
    batch: int = 1,
    last: bool = False,
    sides: list[int | str] | None = None,
) -> Path:
    """A network that gives these outputs, times 1 if the picture's first channel is 1 or 255."""
    free = sides or [_SIDE, _SIDE]
    shape = [batch, *free, 3] if last else [batch, 3, *free]
    values = {f"{name}_value": np.repeat(value, batch, 0) for name, value in outputs.items()}
    nodes = [
        helper.make_node("Cast", ["picture"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["floats", "first"], ["plane"], axis=3 if last else 1),
        helper.make_node("ReduceMax", ["plane"], ["most"], keepdims=0),
        helper.make_node("Clip", ["most", "zero", "one"], ["red"]),
    ]
    for name in outputs:
        nodes.append(helper.make_node("Mul", [f"{name}_value", "red"], [name]))
    constants = {
        "first": np.array(0, np.int64), "zero": np.float32(0), "one": np.float32(1), **values,
    }  # fmt: skip
    kinds = {name: (TensorProto.FLOAT, list(values[f"{name}_value"].shape)) for name in outputs}
    return save_network(path, {"picture": (_TYPES[kind], shape)}, nodes, kinds, constants)  # type: ignore[arg-type]


def _head(width: int, count: int = _CELLS) -> Floats:
    """Decoded centres all over the picture, and one person of objectness 0.9 and class 0.8."""
    rows = np.zeros((1, count, width), np.float32)
    places, strides = cells(_SIDE, _SIDE)
    rows[0, :, :2] = np.resize(places * strides, (count, 2))
    rows[0, 7, :6] = [*_CENTRE, 0.9, 0.8]
    return rows


def _columns(classes: int) -> Floats:
    found = np.zeros((1, 4 + classes, _CELLS), np.float32)
    found[0, :5, 7] = [*_CENTRE, 0.72]
    return found


def _rows(width: int, *values: float) -> Floats:
    rows = np.zeros((1, 300, width), np.float32)
    rows[0, 0, : len(values)] = values
    rows[0, 1, : len(values)] = values
    rows[0, 1, 5] = 16  # something else at the same place
    return rows


def _queries(classes: int, person: int, other: int) -> dict[str, Floats]:
    logits = np.full((1, 300, classes), -9, np.float32)
    logits[0, 0, person] = np.log(0.72 / 0.28)
    logits[0, 1, other] = 5
    boxes = np.tile(np.array(_CENTRE, np.float32) / _SIDE, (1, 300, 1))
    return {"dets": boxes.astype(np.float32), "labels": logits}


def _detr(classes: int, person: int) -> dict[str, Floats]:
    found = _queries(classes, person, (person + 1) % classes)
    if classes == 1:
        found["labels"][0, 1] = -9
    return {"logits": found["labels"], "pred_boxes": found["dets"]}


def _yolo_nas(reverse: bool = False) -> dict[str, Floats]:
    boxes, scores = np.zeros((1, _CELLS, 4), np.float32), np.zeros((1, _CELLS, 80), np.float32)
    boxes[0, 7], scores[0, 7, 0], scores[0, 9, 3] = _BOX, 0.72, 0.9
    named = [("904", boxes), ("913", scores)]
    return dict(named[::-1] if reverse else named)


def _batch_predictions() -> dict[str, Floats]:
    boxes, scores = np.zeros((1, 50, 4), np.float32), np.zeros((1, 50), np.float32)
    classes = np.zeros((1, 50), np.float32)
    boxes[0, :3], scores[0, :3], classes[0, 1] = _BOX, [0.72, 0.9, 0.99], 5
    return {
        "graph2_num_predictions": np.array([[2]], np.float32),  # the third row is left over
        "graph2_pred_boxes": boxes,
        "graph2_pred_scores": scores,
        "graph2_pred_classes": classes,
    }


def _yolox_raw(width: int) -> Floats:
    rows = np.zeros((1, _CELLS, width), np.float32)
    place = 10 * 16 + 6  # cell (6, 10) of stride 8: its corner is at (48, 80)
    rows[0, place, :6] = [0, 0, np.log(4), np.log(8), 0.9, 0.8]
    rows[0, 0, 4:7] = 0.9, 0, 0.9  # something else
    return rows


_EXPORTS: dict[str, tuple[str, Callable[[], dict[str, Floats]]]] = {
    "YOLOX": ("yolox", lambda: {"output": _yolox_raw(85)}),
    "YOLOX of one class, decoded": ("yolox-decoded", lambda: {"output": _head(6)}),
    "YOLOv5": ("yolov5", lambda: {"output0": _head(85, 3 * _CELLS)}),
    "YOLOv8": ("yolov8", lambda: {"output0": _columns(80)}),
    "YOLOv8 of one class": ("yolov8", lambda: {"output0": _columns(1)}),
    "YOLOv8-pose": ("yolov8", lambda: {"output0": _columns(52)}),
    "one class, transposed": (
        "yolov8-transposed", lambda: {"output0": _columns(1).transpose(0, 2, 1).copy()}
    ),
    "end to end": ("end-to-end", lambda: {"output0": _rows(6, *_BOX, 0.72, 0)}),
    "YOLO-NAS": ("yolo-nas", _yolo_nas),
    "YOLO-NAS, scores first": ("yolo-nas", lambda: _yolo_nas(reverse=True)),
    "YOLO-NAS by pictures": ("yolo-nas-batch", _batch_predictions),
    "RF-DETR of COCO": ("rf-detr", lambda: _queries(91, 1, 0)),
    "RF-DETR of one class": ("rf-detr", lambda: _queries(2, 0, 1)),
    "DETR of 80 classes": ("detr-logits", lambda: _detr(80, 0)),
    "DETR of COCO's 91": ("detr-logits", lambda: _detr(91, 1)),
    "DETR of one class": ("detr-logits", lambda: _detr(1, 0)),
}  # fmt: skip


@pytest.mark.parametrize("export", _EXPORTS)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_each_is_recognised_and_finds_the_person(tmp_path: Path, export: str, engine: str) -> None:
    form, outputs = _EXPORTS[export]
    detector = open_detector(_export(tmp_path / "net.onnx", outputs()), engine=engine)
    assert isinstance(detector, NetworkDetector)
    assert detector.format == form
    frame = np.zeros((64, 128, 3), np.uint8)  # of 2:1, so that half of a square picture is border
    frame[..., 2 if FORMATS[form].pixels.rgb else 0] = 255
    found = detector.detect(frame)
    assert found.scores == pytest.approx([0.72], abs=1e-3)
    left, top, right, bottom = _BOX
    expected = {
        "corner": (left, top, right, 64),
        "centred": (left, top - 32, right, 64),
        "stretched": (left, top / 2, right, bottom / 2),
    }[FORMATS[form].pixels.placed]
    assert found.boxes[0] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("kind", "batch", "last"),
    [("f16", 1, False), ("u8", 1, False), ("u8", 1, True), ("f32", 1, True), ("f32", 4, False)],
)
def test_inputs_of_other_kinds(
    tmp_path: Path, engine: str, kind: str, batch: int, last: bool
) -> None:
    path = _export(
        tmp_path / "net.onnx", {"output0": _columns(80)}, kind=kind, batch=batch, last=last
    )
    detector = open_detector(path, engine=engine)
    red = np.zeros((128, 128, 3), np.uint8)
    red[..., 2] = 255
    assert detector.detect(red).boxes.tolist() == [list(_BOX)]
    assert len(detector.detect(red[..., ::-1])) == 0  # blue


def test_flat_predictions_count_for_their_picture_alone(tmp_path: Path) -> None:
    rows = np.array([[0, *_BOX, 0.72, 0], [1, *_BOX, 0.9, 0], [0, *_BOX, 0.9, 2]], np.float32)
    path = _export(tmp_path / "net.onnx", {"graph2_flat_predictions": rows}, kind="u8")
    found = open_detector(path).detect(np.full((128, 128, 3), 255, np.uint8))
    assert found.boxes.tolist() == [list(_BOX)]
    assert found.scores == pytest.approx([0.72])


def test_what_cannot_be_told_apart_wants_its_name(tmp_path: Path) -> None:
    output = _columns(80).transpose(0, 2, 1).copy()  # or YOLOX with 79 classes
    path = _export(tmp_path / "net.onnx", {"output": output})
    with pytest.raises(InputError, match=r"may be of the formats yolo\S+ and yolov8-transposed"):
        open_detector(path)
    detector = open_detector(path, form="yolov8-transposed")
    found = detector.detect(np.full((128, 128, 3), 255, np.uint8))
    assert found.boxes.tolist() == [list(_BOX)]
    with pytest.raises(UsageError, match="no detector format 'yolo'; there are: yolox,"):
        open_detector(path, form="yolo")


def test_eval_takes_the_format_too(tmp_path: Path) -> None:
    file = _export(tmp_path / "net.onnx", {"output": _columns(80).transpose(0, 2, 1).copy()})
    frames = tmp_path / "S" / "img1"
    frames.mkdir(parents=True)
    (tmp_path / "S" / "gt").mkdir()
    left, top, right, bottom = _BOX
    for number in (1, 2):
        cv2.imwrite(str(frames / f"{number:06d}.png"), np.full((128, 128, 3), 255, np.uint8))
    (tmp_path / "S" / "gt" / "gt.txt").write_text(
        "".join(f"{n},1,{left},{top},{right - left},{bottom - top},1,-1,-1,-1\n" for n in (1, 2))
    )
    arguments = ["eval", str(file), "--data", f"mot:{tmp_path}", "--json", "-", "--quiet"]
    refused = CliRunner().invoke(app, arguments)
    assert "say which: --detector-format" in str(refused.exception)
    told = CliRunner().invoke(app, [*arguments, "--detector-format", "yolov8-transposed"])
    assert json.loads(told.stdout)["recall"] == 100


def test_a_format_that_the_file_cannot_be_is_refused(tmp_path: Path) -> None:
    path = _export(tmp_path / "net.onnx", {"output0": _columns(80)})
    with pytest.raises(InputError, match=r"not of the format rf-detr, RF-DETR: dets .* output0 f"):
        open_detector(path, form="rf-detr")
    path = _export(tmp_path / "net.onnx", _detr(92, 1))
    with pytest.raises(InputError, match="has 92 classes, of which none is known to be the person"):
        open_detector(path)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_free_sides_of_detr_become_640(tmp_path: Path, engine: str) -> None:
    path = _export(tmp_path / "net.onnx", _detr(80, 0), sides=["height", "width"])
    assert len(open_detector(path, engine=engine).detect(np.full((50, 80, 3), 255, np.uint8))) == 1


def free_yolox(path: Path) -> Path:
    """Raw YOLOX of free sides: as many predictions as the picture has cells, 0.9 in the first."""
    nodes = []
    for stride in (8, 16, 32):
        nodes += [
            helper.make_node(
                "MaxPool", ["images"], [f"pool{stride}"], kernel_shape=[stride] * 2,
                strides=[stride] * 2,
            ),
            helper.make_node("Reshape", [f"pool{stride}", "flat"], [f"level{stride}"]),
        ]  # fmt: skip
    nodes += [
        helper.make_node("Concat", [f"level{s}" for s in (8, 16, 32)], ["planes"], axis=2),
        helper.make_node("Transpose", ["planes"], ["cells"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["cells", "weights"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "zero", "one"], ["output"]),
    ]
    weights = np.zeros((3, 85), np.float32)
    weights[0, 4] = weights[0, 5] = 1 / 255  # blue: objectness and person
    return save_network(
        path,
        {"images": (TensorProto.FLOAT, ["batch", 3, "height", "width"])},
        nodes,
        {"output": (TensorProto.FLOAT, ["batch", "cells", 85])},
        {
            "flat": np.array([0, 3, -1], np.int64), "weights": weights,
            "zero": np.float32(0), "one": np.float32(1),
        },
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_free_sides_follow_the_frame(tmp_path: Path, engine: str) -> None:
    path = free_yolox(tmp_path / "net.onnx")
    frame = np.zeros((360, 640, 3), np.uint8)
    frame[:60, :60, 0] = 255
    for size, sides in ((None, (384, 640)), (320, (192, 320)), ((64, 96), (64, 96))):
        detector = open_detector(path, engine=engine, size=size, min_score=0.9)
        assert isinstance(detector, NetworkDetector)
        assert detector.sides_for(frame) == sides
        found = detector.detect(frame)
        assert len(found) > 0
        assert found.boxes[:, :2].max() <= 60
