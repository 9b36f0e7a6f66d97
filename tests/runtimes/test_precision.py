"""Precision is decided by us: in what each device computes each variant, and what is taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.errors import RuntimeFailure, UsageError
from edgeattr_runtimes import (
    EngineOptions,
    available,
    decide,
    engines,
    onnx_engine,
    open_variant,
    openvino_engine,
)
from edgeattr_runtimes import openvino_devices as module
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.load import open_best
from edgeattr_runtimes.select import candidates

pytestmark = pytest.mark.skipif("openvino" not in available(), reason="OpenVINO is not installed")

_AMX = {"cpu": ("FP32", "BF16", "INT8", "BIN")}
_AVX2 = {"cpu": ("FP32", "INT8", "BIN")}
_GPU = {**_AVX2, "gpu": ("FP32", "BIN", "FP16", "INT8")}
_NPU = {**_AMX, "npu": ("FP16", "INT8")}

Machine = Callable[[dict[str, tuple[str, ...]]], None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Set which devices OpenVINO has and what each says it can compute in."""

    def set_it(devices: dict[str, tuple[str, ...]]) -> None:
        monkeypatch.setattr(module, "capabilities", lambda device: devices[device])
        monkeypatch.setattr(module, "devices", lambda: ("auto", *sorted(devices)))

    return set_it


@pytest.mark.parametrize(
    ("devices", "device", "precision", "half", "expected"),
    [
        (_AVX2, "cpu", "fp32", None, "f32"),
        (_AVX2, "cpu", "fp16", None, "f32"),
        (_AVX2, "cpu", "int8", None, "f32"),
        (_AMX, "cpu", "fp32", None, "f32"),
        (_AMX, "cpu", "fp16", None, "bf16"),
        (_AMX, "cpu", "fp16", False, "f32"),
        (_AMX, "cpu", "int8", None, "bf16"),
        (_AMX, "cpu", "int8", False, "f32"),
        (_AMX, "cpu", "int8", True, "bf16"),
        (_GPU, "gpu", "fp32", None, "f32"),
        (_GPU, "gpu", "fp16", None, "f16"),
        (_GPU, "gpu", "int8", None, "f16"),
        (_GPU, "gpu", "int8", False, "f32"),
        (_NPU, "npu", "fp16", None, "f16"),
        (_NPU, "npu", "int8", None, "f16"),
    ],
)
def test_what_a_device_computes_in(
    devices: dict[str, tuple[str, ...]],
    device: str,
    precision: str,
    half: bool | None,
    expected: str,
    machine: Machine,
) -> None:
    machine(devices)
    assert module.float_type(device, precision, half) == expected


def test_what_a_device_cannot(machine: Machine) -> None:
    machine(_NPU)
    with pytest.raises(RuntimeFailure, match="NPU cannot compute in float32, as fp32 wants"):
        module.float_type("npu", "fp32")
    with pytest.raises(UsageError, match="a float32 variant has none"):
        module.float_type("cpu", "fp32", True)
    machine(_AVX2)
    with pytest.raises(UsageError, match="CPU here has none"):
        module.float_type("cpu", "int8", True)


@pytest.mark.parametrize(
    ("devices", "precision", "target", "expected"),
    [
        (_AVX2, "fp32", "AUTO", {"CPU": "f32"}),
        (_AMX, "fp32", "AUTO", {"CPU": "f32"}),
        (_AMX, "fp16", "AUTO", {"CPU": "bf16"}),
        (_GPU, "fp32", "AUTO", {"CPU": "f32", "GPU": "f32"}),
        (_GPU, "fp16", "AUTO", {"CPU": "f32", "GPU": "f16"}),
        (_NPU, "fp32", "AUTO:-NPU", {"CPU": "f32"}),
    ],
)
def test_each_device_that_openvino_may_choose(
    devices: dict[str, tuple[str, ...]],
    precision: str,
    target: str,
    expected: dict[str, str],
    machine: Machine,
) -> None:
    machine(devices)
    name, options = module.compile_options("auto", 3, 2, precision, None)
    found = options["DEVICE_PROPERTIES"]
    assert name == target
    assert {key: entry["INFERENCE_PRECISION_HINT"] for key, entry in found.items()} == expected
    assert found["CPU"]["INFERENCE_NUM_THREADS"] == 3


def _compiled(bundle: Bundle, **options: Any) -> Any:
    """OpenVINO's compiled network for two crops."""
    content = bundle.read_file(bundle.variant("onnx-fp32"))
    shape = {"crops": (2, bundle.input.height, bundle.input.width, 3)}
    return openvino_engine.OpenvinoSession(content, **options).fixed(shape).network(2)


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_the_compiled_network_says_float32(small_bundle: Bundle, device: str) -> None:
    """On a processor with AMX it says bfloat16 unless it is told otherwise."""
    assert module.float_types(_compiled(small_bundle, device=device)) == {"CPU": "f32"}
    variant = small_bundle.variant("onnx-fp32")
    with open_variant(small_bundle, variant, "openvino", EngineOptions(device=device)) as runtime:
        assert runtime.describe().arithmetic == "f32"
        worst = np.abs(runtime.infer(small_bundle.golden.crops).logits - small_bundle.golden.logits)
        assert worst.max() < 1e-3


@pytest.mark.parametrize(("streams", "aim"), [(1, "LATENCY"), (2, "THROUGHPUT")])
@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_a_device_that_is_no_cpu_is_told_what_to_aim_at(
    device: str, streams: int, aim: str, machine: Machine
) -> None:
    from openvino.properties import hint

    machine(_GPU)
    _, options = module.compile_options(device, 3, streams, "fp32", None)
    assert options[hint.performance_mode()] == aim


def test_a_device_that_computes_in_something_else(small_bundle: Bundle, machine: Machine) -> None:
    """It is asked for bfloat16, which the processor of a test machine may lack."""
    if "BF16" in module.capabilities("cpu"):
        compiled = _compiled(small_bundle, precision="fp16")
        assert module.float_types(compiled) == {"CPU": "bf16"}
        return
    machine(_AMX)
    with pytest.raises(RuntimeFailure, match="computes in f32 where bf16 was asked for"):
        _compiled(small_bundle, precision="fp16")


def _half(bundle: Bundle, **speeds: float) -> Bundle:
    """The bundle with variants of OpenVINO's that lie in its float32 file."""
    first = bundle.variants["onnx-fp32"]
    for precision in ("fp16", "int8"):
        about: dict[str, Any] = {}
        if precision in speeds:
            about = {"device": device_name(), "crops_per_second": speeds[precision], "speedup": 2.0}
        bundle = bundle.with_variant(
            dataclasses.replace(
                first, engine="openvino", precision=precision, tolerance=0.1, speed=about
            )
        )
    return bundle


@pytest.mark.parametrize(
    ("devices", "speeds", "expected"),
    [
        (_AVX2, {"fp16": 900.0, "int8": 500.0}, "openvino-int8"),
        (_AMX, {"fp16": 900.0, "int8": 500.0}, "openvino-fp16"),
        (_AMX, {"fp16": 400.0, "int8": 500.0}, "openvino-int8"),
        (_AMX, {"fp16": 900.0}, "openvino-int8"),  # what was not measured is not compared
        (_AMX, {}, "openvino-int8"),
    ],
)
def test_the_fastest_that_was_measured(
    small_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    machine: Machine,
    devices: dict[str, tuple[str, ...]],
    speeds: dict[str, float],
    expected: str,
) -> None:
    monkeypatch.setattr(engines, "available", lambda: ("openvino",))
    machine(devices)
    assert decide(_half(small_bundle, **speeds)).variant.name == expected


def test_half_precision_goes_before_float32(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, machine: Machine
) -> None:
    monkeypatch.setattr(engines, "available", lambda: ("openvino", "onnxruntime"))
    bundle = _half(small_bundle)
    variants = {name: bundle.variants[name] for name in ("onnx-fp32", "openvino-fp16")}
    bundle = dataclasses.replace(bundle, variants=variants)
    machine(_AVX2)
    assert decide(bundle).variant.name == "onnx-fp32"
    machine(_AMX)
    assert [str(choice) for choice in candidates(bundle)] == [
        "openvino-fp16 on openvino",
        "openvino-fp16 on openvino in float32",
        "onnx-fp32 on onnxruntime",
    ]
    named = [str(choice) for choice in candidates(bundle, "openvino", "fp16")]
    assert named == ["openvino-fp16 on openvino", "openvino-fp16 on openvino in float32"]


def test_what_does_not_hold_in_half_precision_runs_in_float32(
    small_bundle: Bundle, machine: Machine
) -> None:
    if "BF16" in module.capabilities("cpu"):
        bundle = _half(small_bundle)
        strict = dataclasses.replace(bundle.variants["openvino-fp16"], tolerance=1e-4)
        bundle = bundle.with_variant(strict)
    else:
        bundle = _half(small_bundle)
        machine(_AMX)  # compiling then fails, as an answer beyond the tolerance does
    choice, runtime = open_best(bundle, "openvino", "fp16")
    with runtime:
        assert choice.options == EngineOptions(half=False)
        assert runtime.describe().arithmetic == "f32"
    assert "openvino-fp16 on openvino cannot be used" in choice.instead_of[0]


def test_onnx_runtime_keeps_to_float32(
    small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert onnx_engine.providers_of("cuda")[0] == ("CUDAExecutionProvider", {"use_tf32": "0"})
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    assert onnx_engine.providers_of("tensorrt")[0][0] == "TensorrtExecutionProvider"
    assert onnx_engine.os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
    assert onnx_engine.arithmetic_of("cuda", "fp16", None) == "f16"
    assert onnx_engine.arithmetic_of("cpu", "fp16", None) == "f32"
    variant: Variant = small_bundle.variant("onnx-fp32")
    with pytest.raises(UsageError, match="onnxruntime computes fp32 variants on CPU in float32"):
        open_variant(small_bundle, variant, "onnxruntime", EngineOptions(half=True))
