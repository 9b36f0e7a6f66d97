"""From names, files and folders to detectors; what is refused, and in which words."""

from __future__ import annotations

import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeattr.core import hub
from edgeattr.core.bundle import Bundle
from edgeattr.core.crops import Image
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.detection_metrics import overlaps
from edgeattr.core.errors import (
    BundleError,
    DownloadError,
    InputError,
    RuntimeFailure,
    UsageError,
)
from edgeattr.core.files import sha256_of
from edgeattr.video.detectors import BundleDetector, NetworkDetector, open_detector
from edgeattr.video.sources.file import VideoFileSource

from .networks import fixed_yolox, same

_SSD = "pedestrian-detection-adas-0002"
_REAL = ["yolox_nano.onnx", f"{_SSD}/FP16-INT8"]


@pytest.mark.parametrize(
    ("file", "engine", "threads"),
    [
        (_REAL[0], "onnxruntime", 1),
        (_REAL[0], "onnxruntime", None),
        (_REAL[0], "openvino", 1),
        (_REAL[1], "openvino", 1),
        (_REAL[1], "openvino", None),
    ],
)
def test_four_threads_find_what_one_finds(
    detector_files: Path, frames: list[Image], file: str, engine: str, threads: int | None
) -> None:
    with open_detector(detector_files / file, engine=engine, threads=threads) as detector:
        frames = frames[-3:]
        alone = [detector.detect(frame) for frame in frames]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(detector.detect, frames * 4))
    assert sum(map(len, alone)) >= 6
    assert all(same(*pair) for pair in zip(together, alone * 4, strict=True))


def test_both_engines_find_the_same(detector_files: Path, frames: list[Image]) -> None:
    first, second = (
        open_detector(detector_files / _REAL[0], engine=engine)
        for engine in ("onnxruntime", "openvino")
    )
    for frame in frames[1::2]:
        assert same(first.detect(frame), second.detect(frame), pixels=0.5)


def test_a_named_detector_comes_from_the_cache(detector_files: Path, frames: list[Image]) -> None:
    folder = hub.paths_of(hub.KNOWN[_SSD])[0].parent
    shutil.copytree(detector_files / _SSD / "FP16", folder)
    calls: list[str] = []
    detector = open_detector(_SSD, on_download=lambda name, done, total: calls.append(name))
    assert detector.name == _SSD
    assert len(detector.detect(frames[1])) >= 1
    assert calls == []
    (folder / f"{_SSD}.bin").write_bytes(b"spoilt")
    with pytest.raises(DownloadError, match="EDGEATTR_OFFLINE forbids"):
        open_detector(_SSD)


def test_auto_is_the_bundle_inside_the_package(frames: list[Image]) -> None:
    for name in ("auto", "person", hub.person_bundle()):
        with open_detector(name, threads=1) as detector:
            assert isinstance(detector, BundleDetector)
            assert detector.name == "person"
    with pytest.raises(RuntimeFailure, match="person was closed"):
        detector.detect(frames[0])


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_bundle_finds_who_yolox_nano_finds(
    engine: str, detector_files: Path, frames: list[Image]
) -> None:
    with (
        open_detector("person", engine=engine, threads=1) as ours,
        open_detector(detector_files / "yolox_nano.onnx", threads=1) as theirs,
    ):
        for frame in frames:
            sure = theirs.detect(frame)
            sure_boxes = sure.boxes[sure.scores > 0.7]
            found = ours.detect(frame)
            assert (overlaps(sure_boxes, found.boxes).max(1, initial=0.0) > 0.5).all()
            portrait = ours.detect(np.ascontiguousarray(frame[:, 200:400]))
            assert (portrait.boxes[:, 2] <= 200).all()


@pytest.mark.parametrize("engine", ["auto", "onnxruntime", "openvino"])
def test_a_bundle_of_another_network_is_refused_in_one_line(tmp_path: Path, engine: str) -> None:
    bundle = DetectionBundle.read(hub.person_bundle())
    for fault in ("sides", "outputs"):
        model = onnx.load_from_string(bundle.read_file(bundle.variant("onnx-fp32")))
        if fault == "sides":
            model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 64
        else:
            model.graph.output[1].name = "sure"
            model.graph.node[-1].output[0] = "sure"
        file = tmp_path / f"{fault}.onnx"
        onnx.save(model, str(file))
        variant = dataclasses.replace(
            bundle.variant("onnx-fp32"), sha256=sha256_of(file), file=file.name
        )
        alone = dataclasses.replace(bundle, variants={variant.name: variant})
        made = alone.write(tmp_path / f"{fault}.edgeattr", {file.name: file})
        error = rf"{fault}\.onnx is no person detector: .*, got "
        with pytest.raises(BundleError, match=error) as told:
            open_detector(made.path or "", engine=engine)
        assert "\n" not in str(told.value)


def test_bundles_in_the_wrong_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match="'attributes' and not 'person-detection'; give it as --m"
    ):
        open_detector(hub.default_bundle())
    with pytest.raises(
        BundleError, match="'person-detection' and not 'attributes'; give it as --d"
    ):
        Bundle.read(hub.person_bundle())
    copy = tmp_path / "person.edgeattr"
    shutil.copytree(hub.person_bundle(), copy)
    models = list(copy.glob("model-*"))
    for model in models:
        content = model.read_bytes()
        model.write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match="is damaged: its SHA-256"):
        open_detector(copy)
    for model in models:
        model.unlink()
    with pytest.raises(BundleError, match="missing"):
        open_detector(copy)
    (copy / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="damaged"):
        open_detector(copy)


def test_the_drawn_person_is_found_where_they_stand(walking_video: Path) -> None:
    with (
        VideoFileSource(str(walking_video)) as source,
        open_detector("auto", threads=1) as detector,
    ):
        found = [detector.detect(frame.image) for frame in source.frames()]
    assert [len(each) for each in found] == [0] * 5 + [1] * 35
    assert found[30].boxes[0] == pytest.approx([180, 62, 224, 216], abs=10)


def test_the_content_tells_and_not_the_name(tmp_path: Path) -> None:
    output = np.zeros((1, 84, 6), np.float32)
    path = fixed_yolox(tmp_path / "ssd.xml", output)
    assert isinstance(open_detector(path), NetworkDetector)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_our_own_attribute_model_is_no_detector(engine: str) -> None:
    (model,) = hub.default_bundle().glob("*fp32*.onnx")
    bundle = Bundle.read(hub.default_bundle())
    size = f"{bundle.input.height}, {bundle.input.width}"
    with pytest.raises(InputError) as caught:
        open_detector(model, engine=engine)
    told = str(caught.value)
    assert "is not a person detector that edgeattr knows" in told
    assert f"crops uint8 [?, {size}, 3]" in told
    assert f"logits float32 [?, {len(bundle.schema)}]" in told
    for family in (
        "YOLOX, the head as it is: [N, n, 5 + classes]",
        "DetectionOutput",
        "orig_target_sizes",
        "logits",
    ):
        assert family in told


def test_a_network_of_attributes_is_no_detector(shared: Path) -> None:
    peer = shared / "models" / "peers" / "person-attributes-recognition-crossroad-0230" / "FP16"
    with pytest.raises(InputError, match=r"outputs 453 float32 \[1, 8, 1, 1\]; 456"):
        open_detector(peer)


def test_what_cannot_be_opened(tmp_path: Path, detector_files: Path) -> None:
    with pytest.raises(UsageError, match="neither a file nor a folder nor one of: auto, person"):
        open_detector(tmp_path / "none.onnx")
    with pytest.raises(InputError, match=r"expected one \.xml or \.onnx file, found none"):
        open_detector(tmp_path)
    with pytest.raises(InputError, match=r"FP16/pedestrian.*FP16-INT8/pedestrian.*name one"):
        open_detector(detector_files / _SSD)
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    for engine in ("onnxruntime", "openvino"):
        with pytest.raises(RuntimeFailure, match="cannot open"):
            open_detector(text, engine=engine)
    with pytest.raises(UsageError, match="no engine 'torch' for detectors"):
        open_detector(text, engine="torch")


def test_an_ir_wants_its_weights_and_openvino(tmp_path: Path, detector_files: Path) -> None:
    xml = detector_files / _SSD / "FP16" / f"{_SSD}.xml"
    with pytest.raises(UsageError, match="OpenVINO IR, which ONNX Runtime cannot run"):
        open_detector(xml, engine="onnxruntime")
    shutil.copy(xml, tmp_path)
    with pytest.raises(InputError, match=f"{_SSD}.bin belongs beside it"):
        open_detector(tmp_path)
