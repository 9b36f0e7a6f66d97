"""Which engine and variant are taken, by what is installed and what was measured."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping
from typing import Any

import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.errors import BundleError, RuntimeFailure, UsageError
from edgeattr.core.hub import default_bundle
from edgeattr_runtimes import choose, engines
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.engines import available as really_available
from edgeattr_runtimes.protocol import EngineOptions
from edgeattr_runtimes.select import decide


def _bundle(speeds: Mapping[str, Mapping[str, Any]]) -> Bundle:
    bundle = Bundle.read(default_bundle())
    made = {}
    for name, speed in speeds.items():
        engine, _, precision = name.partition("-")
        made[name] = Variant(
            engine=engine, precision=precision, file="f", sha256="0", parent="p", parity=0.0,
            tolerance=1.0, speed=speed,
        )  # fmt: skip
    return dataclasses.replace(bundle, variants=made)


def _here(speed: float, ratio: float = 2.0) -> dict[str, Any]:
    return {"device": device_name(), "crops_per_second": speed, "speedup": ratio}


_ELSEWHERE = {"device": "another", "crops_per_second": 9999.0, "speedup": 9.0}
_ALL = ("tensorrt", "openvino", "onnxruntime")


@pytest.mark.parametrize(
    ("installed", "speeds", "expected"),
    [
        (_ALL, {"onnx-fp32": {}, "tensorrt-fp16": {}}, ("tensorrt", "tensorrt-fp16")),
        (_ALL[1:], {"onnx-fp32": {}, "tensorrt-fp16": {}}, ("onnxruntime", "onnx-fp32")),
        (_ALL[1:], {"onnx-int8": {}, "openvino-int8": {}}, ("openvino", "openvino-int8")),
        (_ALL[2:], {"onnx-int8": {}, "openvino-int8": {}}, ("onnxruntime", "onnx-int8")),
        (
            _ALL[1:],
            {"onnx-int8": _here(200), "openvino-int8": _here(150)},
            ("onnxruntime", "onnx-int8"),
        ),
        (
            _ALL[1:],
            {"onnx-int8": _ELSEWHERE, "openvino-int8": _here(150)},
            ("openvino", "openvino-int8"),
        ),
        # INT8 that was slower than its parent on this device is not taken by itself
        (_ALL[1:], {"onnx-fp32": {}, "onnx-int8": _here(90, 0.8)}, ("onnxruntime", "onnx-fp32")),
        # a processor without arithmetic for half precision
        (_ALL[1:], {"onnx-fp32": {}, "openvino-fp16": _here(900)}, ("onnxruntime", "onnx-fp32")),
        # a variant of another family was not proven on this engine
        (_ALL[1:], {"onnx-fp32": {}, "openvino-fp16": {}}, ("onnxruntime", "onnx-fp32")),
    ],
)
def test_auto(
    installed: tuple[str, ...],
    speeds: Mapping[str, Mapping[str, Any]],
    expected: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "available", lambda: installed)
    monkeypatch.setattr(engines, "has_half_precision", lambda engine, device=None: False)
    engine, variant = choose(_bundle(speeds))
    assert (engine, variant.name) == expected


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        ({"device": "another", "speedup": 0.7}, "onnx-fp32"),
        (_here(90, 1.3), "onnx-int8"),
        ({}, "onnx-int8"),
    ],
)
def test_int8_that_was_slower_elsewhere_waits_until_it_is_measured_here(
    speed: Mapping[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "available", lambda: ("onnxruntime",))
    assert choose(_bundle({"onnx-fp32": {}, "onnx-int8": speed}))[1].name == expected


def test_pytorch_runs_float32_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "available", lambda: (*_ALL[1:], "torch"))
    bundle = _bundle({"onnx-fp32": {}, "onnx-int8": {}})
    assert choose(bundle)[0] == "onnxruntime"
    assert choose(bundle, "torch")[1].name == "onnx-fp32"
    with pytest.raises(BundleError, match="no int8 variant for torch"):
        choose(bundle, "torch", "int8")
    monkeypatch.setattr(engines, "available", lambda: ("torch",))
    with pytest.raises(BundleError, match="no auto variant"):
        choose(bundle)


def test_openvino_runs_onnx_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "available", lambda: _ALL[1:])
    bundle = _bundle({"onnx-fp32": {}, "onnx-int8": {}, "openvino-fp16": {}})
    assert choose(bundle, "openvino")[1].name == "openvino-fp16", "its own first"
    assert choose(bundle, "openvino", "int8")[1].name == "onnx-int8"
    both = _bundle({"onnx-int8": _here(200), "openvino-int8": _here(150)})
    assert choose(both, "openvino")[1].name == "openvino-int8", "measured on another engine"
    assert choose(bundle, "openvino", "fp16")[1].name == "openvino-fp16"
    with pytest.raises(BundleError, match="no fp16 variant for onnxruntime; it has: onnx-fp32"):
        choose(bundle, "onnxruntime", "fp16")


def test_what_cannot_run_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeFailure, match=r'pip install "edgeattr\[openvino\]"'):
        choose(_bundle({"onnx-fp32": {}}), "openvino")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(engines, "gpu_present", lambda: False)
    assert really_available() == ("openvino", "onnxruntime", "torch")
    with pytest.raises(RuntimeFailure, match="no NVIDIA GPU"):
        choose(_bundle({"onnx-fp32": {}}), "tensorrt")
    monkeypatch.setattr(engines, "gpu_present", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "pycuda" or None)
    assert "tensorrt" not in really_available(), "JetPack has no PyCUDA"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert really_available() == (*_ALL, "torch")
    bundle = _bundle({"onnx-fp32": {}, "tensorrt-fp16": {}})
    assert choose(bundle)[0] == "tensorrt"
    attention = decide(bundle, options=EngineOptions(attention=True))
    assert attention.engine == "onnxruntime", "TensorRT gives no masks"
    with pytest.raises(UsageError, match="no runtime 'tflite'"):
        choose(_bundle({"onnx-fp32": {}}), "tflite")
    with pytest.raises(UsageError, match="no precision 'int4'"):
        choose(_bundle({"onnx-fp32": {}}), "auto", "int4")
