"""`edgeattr doctor`: what it says of packages, and of what would run."""

from __future__ import annotations

import importlib.metadata

import pytest

from edgeattr.cli import doctor as module
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import RuntimeFailure
from edgeattr.core.hub import default_bundle
from edgeattr_runtimes import EngineOptions, engines, onnx_engine, openvino_engine
from edgeattr_runtimes.tuning_cache import Tuned, write_tuning

_real_version = importlib.metadata.version


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ({"onnxruntime"}, ["ok       onnxruntime 9: inference on the CPU"]),
        (
            {"onnxruntime-gpu"},
            ["ok       onnxruntime-gpu 9: inference on the CPU and on NVIDIA GPUs"],
        ),
        (
            {"onnxruntime", "onnxruntime-gpu"},
            [
                "ok       onnxruntime-gpu 9: inference on the CPU and on NVIDIA GPUs",
                "clash    onnxruntime 9: onnxruntime-gpu has the same files; pip uninstall "
                "onnxruntime onnxruntime-gpu, then pip install onnxruntime-gpu",
            ],
        ),
        (set(), ["missing  onnxruntime: inference on the CPU; pip install edgeattr"]),
    ],
)
def test_onnx_runtime_has_a_twin_for_gpus(
    installed: set[str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def version(name: str) -> str:
        if name.startswith("onnxruntime"):
            if name not in installed:
                raise importlib.metadata.PackageNotFoundError
            return "9"
        return _real_version(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    module._packages()
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if " onnxruntime" in line] == said


def test_what_runs_in_place_of_what_was_chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeFailure("no plugin")

    bundle = Bundle.read(default_bundle())
    options = EngineOptions()
    write_tuning(
        bundle,
        [
            Tuned(
                engine="openvino", variant="onnx-fp32", options=options, crops_per_second=9, batch=8
            )
        ],
    )
    monkeypatch.setattr(openvino_engine, "_openvino", fail)
    monkeypatch.setattr(engines, "available", lambda: ("openvino", "onnxruntime"))
    assert module._what_runs(bundle)
    said = capsys.readouterr().out
    assert "  failed   onnx-fp32 on openvino cannot be used: no plugin\n" in said
    assert "  chosen   onnx-int8 on onnxruntime: the next that is proven\n" in said


def test_an_engine_that_works_is_told_where_the_chosen_one_does_not(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeFailure("no library")

    if "openvino" not in engines.available():
        pytest.skip(engines.remedy("openvino"))
    monkeypatch.setattr(onnx_engine, "open_session", fail)
    monkeypatch.setattr(engines, "available", lambda: ("openvino", "onnxruntime"))
    assert not module._what_runs(small_bundle)
    said = capsys.readouterr().out
    assert "  failed   no library\n" in said
    assert "  ok       onnx-fp32 on openvino" in said
    assert "  failed   onnxruntime: no library\n" in said
