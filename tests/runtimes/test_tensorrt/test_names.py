"""Every name of TensorRT that the code uses exists in the listings of its versions."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from ...make_believe_gpu.fake_tensorrt import fake_tensorrt
from ...make_believe_gpu.listing import Listing
from ...make_believe_gpu.world import World

_ROOT = Path(__file__).resolve().parents[3]
_SOURCES = sorted((_ROOT / "runtimes" / "edgeattr_runtimes").glob("tensorrt_*.py"))
_OBJECTS = {  # the names that the code gives to objects of TensorRT's classes
    "builder": "Builder",
    "cache": "ITimingCache",
    "config": "IBuilderConfig",
    "_context": "IExecutionContext",
    "_engine": "ICudaEngine",
    "engine": "ICudaEngine",
    "fault": "ParserError",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "runtime": "Runtime",
    "tensor": "ITensor",
}
_CHOSEN = {  # used only where a version has them
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH",
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
    "BuilderFlag",
    "BuilderFlag.FP16",
    "BuilderFlag.INT8",
    "BuilderFlag.PREFER_PRECISION_CONSTRAINTS",
    "PreviewFeature.PROFILE_SHARING_0806",
}


def _chain(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Attribute):
        return [*_chain(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else [""]


def _used() -> set[str]:
    """`Class`, `Enum.MEMBER` and `Class.method`, as far as the sources name them."""
    found = set()
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner, *rest = _chain(node)
                if owner == "trt":
                    found.add(".".join(rest))
                elif owner in _OBJECTS and len(rest) == 1:
                    found.add(f"{_OBJECTS[owner]}.{rest[0]}")
                elif owner == "self" and len(rest) == 2 and rest[0] in _OBJECTS:
                    found.add(f"{_OBJECTS[rest[0]]}.{rest[1]}")
            if isinstance(node, ast.Call) and _chain(node.func) == ["hasattr"]:
                name = node.args[1]
                assert isinstance(name, ast.Constant)
                found.add(".".join([*_chain(node.args[0])[1:], str(name.value)]))
    return found


def _has(listing: Listing, name: str) -> bool:
    owner, _, member = name.partition(".")
    if owner in ("ILogger", "__version__"):  # not listed themselves, but signatures name it
        return "ILogger" in listing.text
    if owner in listing.enums:
        return not member or member in listing.enums[owner]
    return owner in listing.classes and (not member or member in listing.classes[owner])


def _names(listing: Listing) -> set[str]:
    return {*listing.enums, *listing.classes, "ILogger", "__version__"}


def test_the_search_finds_what_is_used() -> None:
    used = _used()
    assert used >= _CHOSEN
    assert used >= {
        "Builder.build_serialized_network", "BuilderFlag.TF32", "IBuilderConfig.clear_flag",
        "ICudaEngine.get_tensor_dtype", "ICudaEngine.get_tensor_shape",
        "IExecutionContext.execute_async_v3", "IExecutionContext.set_tensor_address",
        "IExecutionContext.set_optimization_profile_async", "IExecutionContext.set_input_shape",
        "ICudaEngine.create_execution_context",
        "IBuilderConfig.set_preview_feature",
        "ILogger.__init__", "ITimingCache.serialize", "MemoryPoolType.WORKSPACE",
        "ParserError.desc", "Runtime.deserialize_cuda_engine", "ITensor.name",
    }  # fmt: skip


def test_nothing_of_tensorrt_escapes_the_search(listings: dict[str, Listing]) -> None:
    """Whatever follows `trt.` is among the names that the listings can answer for."""
    known = {name.split(".")[0] for listing in listings.values() for name in _names(listing)}
    for path in _SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and _chain(node)[0] == "trt":
                assert _chain(node)[1] in known, path


def test_every_name_is_in_every_listing_or_chosen_by_what_is_there(
    listings: dict[str, Listing],
) -> None:
    for name in _used():
        versions = [version for version, listing in listings.items() if _has(listing, name)]
        assert len(versions) == len(listings) or (versions and name in _CHOSEN), (name, versions)


def test_the_make_believe_module_has_no_other_names(listings: dict[str, Listing]) -> None:
    for version, listing in listings.items():
        trt: Any = fake_tensorrt(listing, World())
        assert hasattr(trt.BuilderFlag, "FP16") == (version != "11.4")
        for owner, name in ((trt, "BuilderFlags"), (trt.Builder, "build_cuda_engine")):
            with pytest.raises(AttributeError):
                getattr(owner, name)
        config = trt.IBuilderConfig()
        with pytest.raises(AttributeError):
            config.max_workspace = 1
