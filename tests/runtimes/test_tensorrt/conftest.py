"""Each version of TensorRT on the make-believe GPU, and a bundle to load there."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import types
from pathlib import Path

import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.hub import default_bundle

from ...make_believe_gpu.fake_tensorrt import fake_tensorrt
from ...make_believe_gpu.listing import VERSIONS, Listing, parse_listing
from ...make_believe_gpu.world import World


@pytest.fixture(scope="session")
def listings(shared: Path) -> dict[str, Listing]:
    """By version; skips where the listings are not there."""
    folder = shared / "tensorrt"
    if not folder.is_dir():
        pytest.skip(f"no TensorRT listings at {folder}")
    found = {
        version: parse_listing((folder / f"api_{file}.txt").read_text())
        for version, file in zip(VERSIONS, ("8.5.3", *VERSIONS[1:]), strict=True)
    }
    older = found["8.6.1"]  # as far as it is used here, 8.5 with one more preview
    previews = [*older.enums["PreviewFeature"], "PROFILE_SHARING_0806"]
    enums = {**older.enums, "PreviewFeature": previews}
    found["8.6.1"] = dataclasses.replace(older, version="8.6.1", enums=enums)
    return found


@pytest.fixture(params=VERSIONS)
def trt(
    request: pytest.FixtureRequest,
    listings: dict[str, Listing],
    installed: types.ModuleType,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> types.ModuleType:
    """Each version of TensorRT in turn."""
    module = fake_tensorrt(listings[request.param], world)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return module


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The default bundle with the two TensorRT variants and no other; their files are stand-ins."""
    whole = Bundle.read(default_bundle())
    files, variants = {}, {}
    for precision in ("fp16", "int8"):
        name = f"model-tensorrt-{precision}.onnx"
        files[name] = tmp_path / name
        files[name].write_bytes(f"ONNX {precision}".encode())
        variants[f"tensorrt-{precision}"] = Variant(
            engine="tensorrt",
            precision=precision,
            file=name,
            sha256=hashlib.sha256(files[name].read_bytes()).hexdigest(),
            parent="onnx-fp32",
            parity=0.0,
            tolerance=1.0,
        )
    made = dataclasses.replace(whole, variants=variants, path=None)
    return made.write(tmp_path / "model.edgeattr", files)
