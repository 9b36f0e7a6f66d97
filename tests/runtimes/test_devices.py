"""What can be asked of an engine as its device."""

from __future__ import annotations

import numpy as np
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import UsageError
from edgeattr_runtimes import EngineOptions, available, devices_of, open_variant, remedy

_ENGINES = ("onnxruntime", "openvino", "torch")


@pytest.mark.parametrize("engine", _ENGINES)
def test_a_device_that_is_not_there_is_named(small_bundle: Bundle, engine: str) -> None:
    if engine not in available():
        pytest.skip(remedy(engine))
    assert "cpu" in devices_of(engine)
    variant = small_bundle.variant("onnx-fp32")
    with pytest.raises(UsageError, match=f"{engine} has no device 'npu9' here; there are: .*cpu"):
        open_variant(small_bundle, variant, engine, EngineOptions(device="npu9"))
    with open_variant(small_bundle, variant, engine, EngineOptions(device="cpu")) as runtime:
        assert runtime.describe().device == "CPU"


def test_onnx_runtime_for_nvidia_is_named_where_it_is_missing(small_bundle: Bundle) -> None:
    if "cuda" in devices_of("onnxruntime"):
        pytest.skip("onnxruntime-gpu is installed")
    with pytest.raises(UsageError, match="want the package onnxruntime-gpu"):
        edgeattr.load(small_bundle.path, runtime="onnxruntime", device="cuda")


def test_openvinos_own_choice(small_bundle: Bundle) -> None:
    if "openvino" not in available():
        pytest.skip(remedy("openvino"))
    with edgeattr.load(small_bundle.path, runtime="openvino", device="auto") as model:
        assert model.describe().device == "AUTO"
        golden = small_bundle.golden
        assert abs(model.logits(list(golden.crops)) - golden.logits).max() < 0.1


@pytest.mark.parametrize("name", ["threads", "streams", "batch"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True, np.True_, np.float32(2), np.int8(0)])
def test_numbers_that_make_no_sense(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{name}=.*expected a whole number from 1"):
        edgeattr.load(**{name: value})  # type: ignore[arg-type]
