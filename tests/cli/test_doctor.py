"""`edgeattr doctor`: what it says of packages, and of what would run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgeattr.cli import doctor as doctor_module
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import RuntimeFailure
from edgeattr.core.hub import default_bundle
from edgeattr_runtimes import EngineOptions, engines, onnx_engine, openvino_engine
from edgeattr_runtimes.tuning_cache import TunedSetting, write_tuning


def _install(folder: Path, distribution: str, module: str) -> None:
    """What pip leaves of a distribution, as far as its description goes."""
    about = folder / f"{distribution.replace('-', '_')}-9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 9\n")
    (about / "RECORD").write_text(f"{module}/__init__.py,,\n{about.name}/METADATA,,\n")


@pytest.mark.parametrize(
    ("module", "installed", "said"),
    [
        ("onnxruntime", ["onnxruntime"], ["ok       onnxruntime 9: inference on the CPU"]),
        (
            "onnxruntime",
            ["onnxruntime-gpu"],
            ["ok       onnxruntime-gpu 9: inference on the CPU and on NVIDIA GPUs"],
        ),
        (
            "onnxruntime",
            ["onnxruntime", "onnxruntime-gpu"],
            [
                "ok       onnxruntime 9: inference on the CPU",
                "ok       onnxruntime-gpu 9: inference on the CPU and on NVIDIA GPUs",
                "clash    onnxruntime and onnxruntime-gpu overwrite each other's files of "
                "onnxruntime; pip uninstall onnxruntime onnxruntime-gpu, then pip install "
                "onnxruntime-gpu",
            ],
        ),
        (
            "cv2",
            ["opencv-python", "opencv-python-headless"],
            [
                "ok       opencv-python 9: images and video",
                "ok       opencv-python-headless 9: images and video",
                "clash    opencv-python and opencv-python-headless overwrite each other's files "
                "of cv2; pip uninstall opencv-python opencv-python-headless, then pip install "
                "opencv-python-headless",
            ],
        ),
        (
            "onnx",
            [],
            ['missing  onnx: converting models; pip install "edgeattr[convert]"'],
        ),
    ],
)
def test_distributions_of_one_module(
    module: str,
    installed: list[str],
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in installed:
        _install(tmp_path, name, module)
    monkeypatch.delitem(sys.modules, "onnx", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    doctor_module.show_packages()
    monkeypatch.undo()
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    words = {*installed, module}
    assert [line for line in lines if words & set(line.replace(":", "").split())] == said


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
            TunedSetting(
                engine="openvino", variant="onnx-fp32", options=options, crops_per_second=9, batch=8
            )
        ],
    )
    monkeypatch.setattr(openvino_engine, "openvino_package", fail)
    monkeypatch.setattr(engines, "available", lambda: ("openvino", "onnxruntime"))
    assert doctor_module.show_what_runs(bundle)
    said = capsys.readouterr().out
    assert "  failed   onnx-fp32 on openvino cannot be used: no plugin\n" in said
    assert "  chosen   onnx-fp32 on onnxruntime: the next that is proven\n" in said


def test_an_engine_that_works_is_told_where_the_chosen_one_does_not(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeFailure("no library")

    if "openvino" not in engines.available():
        pytest.skip(engines.remedy("openvino"))
    monkeypatch.setattr(onnx_engine, "open_session", fail)
    monkeypatch.setattr(engines, "available", lambda: ("openvino", "onnxruntime"))
    assert not doctor_module.show_what_runs(small_bundle)
    said = capsys.readouterr().out
    assert "  failed   no library\n" in said
    assert "  ok       onnx-fp32 on openvino" in said
    assert "  failed   onnxruntime: no library\n" in said
