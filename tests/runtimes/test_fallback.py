"""What is best but cannot be used makes room for the next, unless it was named."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.errors import BundleError, EdgeAttrError, RuntimeFailure, UsageError
from edgeattr.core.hub import default_bundle
from edgeattr_runtimes import (
    EngineOptions,
    available,
    decide,
    engines,
    onnx_engine,
    open_best,
    open_runtime,
    openvino_engine,
    remedy,
)
from edgeattr_runtimes.tuning_cache import TunedSetting, write_tuning

from ..conftest import with_onnx_int8

_CPU_ONLY = ("openvino", "onnxruntime")


@pytest.fixture
def whole() -> Bundle:
    """The default bundle with INT8 of ONNX, which is chosen first."""
    return with_onnx_int8(Bundle.read(default_bundle()))


@pytest.fixture
def broken_openvino(whole: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """OpenVINO was tuned to be the fastest with the default model, and then ceased to load."""
    package = tmp_path / "openvino"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('libtbb.so.12: cannot open it')")
    for name in [name for name in sys.modules if name.split(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(engines, "available", lambda: _CPU_ONLY)
    tuned = [
        TunedSetting(engine="openvino", variant="onnx-fp32", options=EngineOptions(streams=streams),
              crops_per_second=900, batch=8)
        for streams in (1, 2)
    ]  # fmt: skip
    write_tuning(whole, tuned)
    assert decide(whole).engine == "openvino"
    return whole


def _runs(bundle: Bundle, *asked: Any) -> tuple[str, str, str]:
    """Engine, precision and device of what is opened, after one answer."""
    with open_runtime(bundle, *asked) as runtime:
        assert len(runtime.infer(bundle.golden.crops).logits) == len(bundle.golden.crops)
        about = runtime.describe()
    return about.engine, about.precision, about.device


def test_an_engine_that_does_not_load(
    broken_openvino: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    assert _runs(broken_openvino) == ("onnxruntime", "int8", "CPU")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("edgeattr", logging.WARNING)
    assert record.getMessage() == (
        "onnx-int8 on onnxruntime runs, because onnx-fp32 on openvino cannot be used: openvino is "
        "installed but cannot be loaded: libtbb.so.12: cannot open it. Install it again, or use "
        "--runtime onnxruntime"
    )
    choice, runtime = open_best(broken_openvino)
    runtime.close()
    assert (str(choice), len(choice.instead_of)) == ("onnx-int8 on onnxruntime", 1)
    with edgeattr.load(broken_openvino.path) as model:
        assert model.describe().engine == "onnxruntime"


@pytest.mark.parametrize(
    "asked",
    [
        ("openvino",),
        ("auto", "fp32"),
        ("auto", "auto", EngineOptions(device="auto")),
    ],
)
def test_what_was_named_is_not_exchanged(broken_openvino: Bundle, asked: tuple[Any, ...]) -> None:
    with pytest.raises(RuntimeFailure, match="openvino is installed but cannot be loaded"):
        open_runtime(broken_openvino, *asked)


def _with(bundle: Bundle, folder: Path, **changes: Callable[[Variant], Variant]) -> Bundle:
    variants = {
        name: changes.get(name.replace("-", "_"), lambda same: same)(variant)
        for name, variant in bundle.variants.items()
    }
    return dataclasses.replace(bundle, variants=variants).write(folder / "m.edgeattr", {})


def _never_right(variant: Variant) -> Variant:
    return dataclasses.replace(variant, tolerance=0.0)


def test_a_variant_that_answers_wrongly_here(
    whole: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strict = _with(whole, tmp_path, onnx_int8=_never_right)
    assert _runs(strict) == ("onnxruntime", "fp32", "CPU")
    assert "because onnx-int8 on onnxruntime cannot be used: onnx-int8 of" in caplog.text
    assert "answers wrongly" in caplog.text
    with open_runtime(strict, options=EngineOptions(streams=1, batch=3)) as runtime:
        about = runtime.describe()
    assert (about.precision, about.streams, about.batch) == ("fp32", 1, 3)
    with pytest.raises(BundleError, match="answers wrongly"):
        open_runtime(strict, precision="int8")
    hopeless = _with(strict, tmp_path / "b", onnx_fp32=_never_right, onnx_int8=_never_right)
    with pytest.raises(BundleError, match=r"nothing can run .*; tried were onnx-int8 .*onnx-fp32"):
        open_runtime(hopeless)


def test_a_damaged_file_is_told_and_not_passed_over(whole: Bundle, tmp_path: Path) -> None:
    copy = whole.write(tmp_path / "copy.edgeattr", {})
    (copy.path / copy.variants["onnx-int8"].file).write_bytes(b"")
    with pytest.raises(BundleError, match="is damaged"):
        open_runtime(copy)


def test_a_gpu_that_onnx_runtime_cannot_use(
    whole: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As with onnxruntime-gpu where CUDA's libraries do not load: the processor takes over."""
    if "cuda" in onnx_engine.devices():
        pytest.skip("onnxruntime-gpu is installed")
    monkeypatch.setattr(engines, "available", lambda: ("onnxruntime",))
    monkeypatch.setattr(onnx_engine, "devices", lambda: ("cuda", "cpu"))
    assert _runs(whole) == ("onnxruntime", "int8", "CPU")
    assert "onnx-int8 on onnxruntime cpu runs, because onnx-int8 on onnxruntime" in caplog.text
    with pytest.raises(RuntimeFailure, match="CUDA"):
        open_runtime(whole, options=EngineOptions(device="cuda"))


def test_tensorrt_that_cannot_build(
    whole: Bundle,
    installed: types.ModuleType,
    world: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "t.onnx"
    file.write_bytes(b"ONNX")
    variant = Variant(
        engine="tensorrt", precision="int8", file=file.name,
        sha256=hashlib.sha256(b"ONNX").hexdigest(), parent="onnx-fp32", parity=0.0, tolerance=1e9,
    )  # fmt: skip
    both = whole.with_variant(variant).write(tmp_path / "m.edgeattr", {file.name: file})
    assert _runs(both)[0] == "tensorrt"
    world.build_error = "out of memory"
    options = EngineOptions(batch=16)  # another engine, that was not built yet
    with open_runtime(both, options=options) as runtime:
        assert runtime.describe().engine == "onnxruntime"
    assert "tensorrt-int8 on tensorrt cannot be used" in caplog.text
    with pytest.raises(RuntimeFailure, match="cannot build the int8 engine"):
        open_runtime(both, "tensorrt", options=options)


def _npu_for_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "available", lambda: _CPU_ONLY)
    monkeypatch.setattr(openvino_engine, "devices", lambda: ("auto", "cpu", "npu"))


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        ("npu", "auto", "onnx-int8 on openvino npu"),  # though it is no variant of its own
        ("npu", "fp32", "onnx-fp32 on openvino npu"),
        ("cpu", "auto", "onnx-int8 on onnxruntime cpu"),
        ("auto", "auto", "onnx-int8 on openvino auto"),
    ],
)
def test_a_device_finds_its_engine(
    whole: Bundle, monkeypatch: pytest.MonkeyPatch, device: str, precision: str, expected: str
) -> None:
    _npu_for_openvino(monkeypatch)
    assert str(decide(whole, "auto", precision, EngineOptions(device=device))) == expected


def test_a_device_that_nobody_has(whole: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    _npu_for_openvino(monkeypatch)
    told = "no engine has a device 'tpu' here.*openvino: auto, cpu, npu; onnxruntime: cpu"
    with pytest.raises(UsageError, match=told):
        edgeattr.load(device="tpu")

    def fail() -> None:
        raise EdgeAttrError

    monkeypatch.setattr(openvino_engine, "devices", fail)
    with pytest.raises(UsageError, match="openvino: none; onnxruntime: cpu"):
        edgeattr.load(device="npu")


def test_a_device_of_an_engine_that_is_installed(whole: Bundle) -> None:
    if "openvino" not in available():
        pytest.skip(remedy("openvino"))
    assert _runs(whole, "auto", "fp32", EngineOptions(device="auto"))[::2] == ("openvino", "AUTO")
