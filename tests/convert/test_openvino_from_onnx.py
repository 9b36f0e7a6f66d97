"""OpenVINO's files, and NNCF's accuracy control as the repair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import MissingDependency, RuntimeFailure
from edgeattr_convert import steps as steps_module
from edgeattr_convert.openvino_from_onnx import (
    harmful_layers,
    int8_from_onnx,
    layers_in_float,
    openvino_from_onnx,
    these_nodes,
)
from edgeattr_convert.qdq import float_layers
from edgeattr_convert.steps import STEPS, Job, check_packages
from edgeattr_runtimes.onnx_engine import open_session
from edgeattr_train.golden import golden_crops


@pytest.fixture
def source(bundle: Bundle, tmp_path: Path) -> Path:
    file = tmp_path / "source.onnx"
    file.write_bytes(bundle.read_file(bundle.variants["onnx-fp32"]))
    return file


def _crops(seed: int) -> npt.NDArray[np.uint8]:
    return np.concatenate([golden_crops(64, 32, seed=seed + k) for k in range(2)])


def _closeness(logits: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> float:
    return -float(np.sqrt(np.mean((logits - reference) ** 2)))


@pytest.mark.slow
def test_accuracy_control_finds_layers_and_they_stay_in_float(source: Path) -> None:
    judged = _crops(50)
    reference = open_session(str(source)).run(["logits"], {"crops": judged})[0]
    in_float = these_nodes(float_layers(source, 3))
    before = layers_in_float(int8_from_onnx(source, _crops(1), in_float))
    harmful = harmful_layers(
        source, _crops(1), in_float, judged, reference, score=_closeness, max_drop=0.0
    )
    assert set(before) < set(harmful), "no drop is allowed, so layers go back to float"
    assert not any(name.endswith("/WithoutBiases") for name in harmful)
    model = int8_from_onnx(source, _crops(1), [*in_float, *these_nodes(harmful)])
    assert set(harmful) <= set(layers_in_float(model))
    assert {name for output in model.outputs for name in output.get_names()} == {
        "logits", "attention_0", "attention_1",
    }  # fmt: skip


@pytest.mark.slow
def test_the_second_draft_is_by_accuracy_control(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps_module, "mean_score", _closeness)
    judged = _crops(50)
    reference = open_session(str(source)).run(["logits"], {"crops": judged})[0]
    job = Job(
        source=source, folder=tmp_path, crops=_crops(1), judged=judged, labels=reference,
        max_drop=0.0,
    )  # fmt: skip
    first, second = STEPS["openvino-int8"].drafts(job)
    assert first.notes[0] == "taken: NNCF, mixed preset"
    assert second.notes[0] == "taken: NNCF with accuracy control"
    floats = [int(draft.notes[1].split()[0]) for draft in (first, second)]
    assert floats[1] > floats[0]


def test_what_openvino_cannot_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(RuntimeFailure, match=r"OpenVINO cannot read bad\.onnx"):
        openvino_from_onnx(tmp_path / "bad.onnx", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_missing_packages_are_named_before_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "nncf" else name)
    check_packages([STEPS["onnx-int8"], STEPS["openvino-fp16"]])
    with pytest.raises(MissingDependency, match=r'nncf .* openvino-int8: .*"edgeattr\[convert\]"'):
        check_packages([STEPS["onnx-int8"], STEPS["openvino-int8"]])
