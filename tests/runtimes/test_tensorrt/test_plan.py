"""What the builder is asked for, on each version of TensorRT."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes.cuda import Gpu
from edgeattr_runtimes.tensorrt_plan import BuildOptions, Plan, plan_from_onnx


def _build(folder: Path, precision: str = "fp16", timing: bytes = b"") -> Plan:
    with Gpu().active():
        return plan_from_onnx(
            b"ONNX",
            precision=precision,
            options=BuildOptions(rows={"crops": (288, 160, 3)}, outputs=("logits",)),
            log=folder / "build.log",
            timing=timing,
        )


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_flags(trt: types.ModuleType, world: Any, tmp_path: Path, precision: str) -> None:
    _build(tmp_path, precision)
    kinds = trt.NetworkDefinitionCreationFlag
    ((bits,),) = world.named("Builder.create_network")
    flags = [flag.name for (flag,) in world.named("IBuilderConfig.set_flag")]
    assert [flag.name for (flag,) in world.named("IBuilderConfig.clear_flag")] == ["TF32"]
    if trt.__version__.startswith("8."):
        assert bits == 1 << kinds.EXPLICIT_BATCH
        expected = [] if precision == "fp32" else ["FP16", "PREFER_PRECISION_CONSTRAINTS"]
        assert flags == expected + (["INT8"] if precision == "int8" else [])
        ((feature, enabled),) = world.named("IBuilderConfig.set_preview_feature")
        assert (feature.name, enabled) == ("PROFILE_SHARING_0806", True)
    else:
        assert bits & 1 << kinds.STRONGLY_TYPED
        assert flags == world.named("IBuilderConfig.set_preview_feature") == []
    if trt.__version__.startswith("11."):
        assert bits == 1 << kinds.STRONGLY_TYPED


def test_profile_and_workspace(trt: types.ModuleType, world: Any, tmp_path: Path) -> None:
    _build(tmp_path)
    sizes = [(batch, 288, 160, 3) for batch in (1, 8, 32)]
    assert world.named("IOptimizationProfile.set_shape") == [("crops", *sizes)]
    assert len(world.named("IBuilderConfig.add_optimization_profile")) == 1
    ((pool, size),) = world.named("IBuilderConfig.set_memory_pool_limit")
    assert (pool.name, size) == ("WORKSPACE", 1 << 30)


def test_only_the_logits_are_kept(trt: types.ModuleType, world: Any, tmp_path: Path) -> None:
    world.outputs = ("attention", "logits", "mask")
    assert _build(tmp_path).engine.endswith(b" logits")
    unmarked = [tensor.name for (tensor,) in world.named("INetworkDefinition.unmark_output")]
    assert unmarked == ["attention", "mask"]


def test_timing_cache_goes_round(trt: types.ModuleType, world: Any, tmp_path: Path) -> None:
    first = _build(tmp_path)
    assert first.timing == b"+1"
    assert _build(tmp_path, timing=first.timing).timing == b"+1+1"


@pytest.mark.parametrize("timing", [b"damaged", b"of another GPU"])
def test_a_timing_cache_that_does_not_fit_is_left_out(
    trt: types.ModuleType, tmp_path: Path, timing: bytes
) -> None:
    assert _build(tmp_path, timing=timing).timing == b"+1"


def test_parser_errors_are_told(trt: types.ModuleType, world: Any, tmp_path: Path) -> None:
    world.parser_errors = ("no importer for Foo", "no importer for Bar")
    with pytest.raises(RuntimeFailure, match=r"node 40: no importer for Foo; node 41: .*Bar"):
        _build(tmp_path)


def test_another_network_is_refused(trt: types.ModuleType, world: Any, tmp_path: Path) -> None:
    world.outputs = ("scores",)
    with pytest.raises(RuntimeFailure, match=r"outputs \['scores'\]; expected .*'crops'.*logits"):
        _build(tmp_path)


def test_a_build_that_fails_tells_the_last_error(
    trt: types.ModuleType, world: Any, tmp_path: Path
) -> None:
    world.build_error = "could not find any implementation for node /conv"
    with pytest.raises(RuntimeFailure, match=r"any implementation for node /conv.*build\.log"):
        _build(tmp_path)
    log = (tmp_path / "build.log").read_text()
    assert "INFO: trying tactics\n" in log
    assert "ERROR: could not find any implementation" in log
    assert "VERBOSE" not in log


def test_a_builder_that_cannot_be_made_tells_the_warning(
    trt: types.ModuleType, world: Any, tmp_path: Path
) -> None:
    world.gpu_error = "CUDA initialization failure with error: 35"
    with pytest.raises(RuntimeFailure, match="CUDA initialization failure"):
        _build(tmp_path)
