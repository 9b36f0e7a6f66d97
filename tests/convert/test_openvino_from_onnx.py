"""OpenVINO's files, and what converting needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeattr.core.errors import MissingDependency, RuntimeFailure
from edgeattr_convert.openvino_from_onnx import openvino_from_onnx
from edgeattr_convert.steps import STEPS, check_packages


def test_what_openvino_cannot_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(RuntimeFailure, match=r"OpenVINO cannot read bad\.onnx"):
        openvino_from_onnx(tmp_path / "bad.onnx", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_missing_packages_are_named_before_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "openvino" else name
    )
    check_packages([STEPS["onnx-int8"], STEPS["onnx-fp16"]])
    with pytest.raises(
        MissingDependency, match=r'openvino .* openvino-int8: .*"edgeattr\[convert\]"'
    ):
        check_packages([STEPS["onnx-int8"], STEPS["openvino-int8"]])
