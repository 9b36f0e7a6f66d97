"""What every engine must do; each engine that is installed runs all of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant, variant_file
from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.files import sha256_of
from edgeattr.core.hub import default_bundle
from edgeattr_convert.steps import Job, steps_for
from edgeattr_runtimes import (
    EngineOptions,
    Runtime,
    available,
    onnx_engine,
    open_runtime,
    open_variant,
    remedy,
)
from edgeattr_runtimes.engines import ENGINES
from edgeattr_runtimes.onnx_engine import int8_overflows

_CASES = {  # what runs -> engine and variant
    f"{engine}:{variant}": (engine, variant)
    for engine, variants in {
        "onnxruntime": ("onnx-fp32", "onnx-fp16", "onnx-int8"),
        "openvino": ("onnx-fp32", "onnx-int8", "openvino-fp16", "openvino-int8"),
        "tensorrt": ("tensorrt-fp16", "tensorrt-int8"),
        "torch": ("onnx-fp32",),
    }.items()
    for variant in variants
}


def test_every_engine_has_cases() -> None:
    assert {engine for engine, _ in _CASES.values()} == set(ENGINES)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The default model with every variant, quantized for OpenVINO on its golden crops alone."""
    pytest.importorskip("onnx")
    bundle = Bundle.read(default_bundle())
    folder = tmp_path_factory.mktemp("variants")
    source = folder / "source.onnx"
    source.write_bytes(bundle.read_file(bundle.variants["onnx-fp32"]))
    job = Job(source=source, folder=folder, crops=bundle.golden.crops)
    files = {}
    for step in steps_for(["onnx", "openvino"], ["fp16", "int8"]):
        if step.makes not in bundle.variants:
            draft = next(step.drafts(job))
            digest = sha256_of(draft.file)
            name = variant_file(step.makes, digest, draft.file.suffix)
            tolerance = step.tolerance or 3.0  # six crops make poor ranges
            bundle = bundle.with_variant(
                Variant(
                    engine=step.family, precision=step.precision, file=name, sha256=digest,
                    parent=step.requires, parity=0.0, tolerance=tolerance,
                )
            )  # fmt: skip
            files[name] = draft.file
    return bundle.write(folder / "default.edgeattr", files)


@pytest.fixture(scope="module", params=list(_CASES))
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """An engine that can run here, and the name of a variant for it."""
    engine, variant = _CASES[request.param]
    if engine not in available():
        pytest.skip(f"{engine} cannot run here: {remedy(engine)}")
    return engine, variant


@pytest.fixture(scope="module")
def bundle(request: pytest.FixtureRequest, case: tuple[str, str]) -> Bundle:
    """The default model as it ships, or converted where it ships without the case's variant."""
    shipped = Bundle.read(default_bundle())
    if case[1] in shipped.variants:
        return shipped
    converted: Bundle = request.getfixturevalue("converted")
    return converted


@pytest.fixture(scope="module")
def runtime(bundle: Bundle, case: tuple[str, str]) -> Iterator[Runtime]:
    engine, variant = case
    with open_runtime(bundle, engine, bundle.variants[variant].precision) as opened:
        yield opened


def _crops(count: int) -> npt.NDArray[np.uint8]:
    golden = Bundle.read(default_bundle()).golden.crops
    return np.concatenate([golden] * (count // len(golden) + 1))[:count]


def test_attention_is_given_where_it_is_asked_for(bundle: Bundle, case: tuple[str, str]) -> None:
    engine, variant = case
    if engine == "tensorrt":
        with pytest.raises(UsageError, match="gives no attention masks"):
            open_variant(bundle, bundle.variants[variant], engine, EngineOptions(attention=True))
        return
    with open_variant(bundle, bundle.variants[variant], engine) as without:
        plain = without.infer(_crops(19))
    with open_variant(
        bundle, bundle.variants[variant], engine, EngineOptions(attention=True)
    ) as opened:
        found = opened.infer(_crops(19))
        nothing = opened.infer(_crops(0))
    assert plain.attention == ()
    attributes, sizes = len(bundle.schema), [mask.shape[2:] for mask in found.attention]
    assert len(sizes) == 2
    assert [2 * side for side in sizes[1]] == list(sizes[0]), "the second map has half the sides"
    assert [mask.shape for mask in nothing.attention] == [(0, attributes, *s) for s in sizes]
    assert {array.dtype for array in (nothing.logits, *nothing.attention)} == {np.dtype("f4")}
    assert nothing.logits.shape == (0, attributes)
    assert [mask.shape[:2] for mask in found.attention] == [(19, attributes)] * 2
    for mask in found.attention:
        assert mask.dtype == np.float32
        assert np.allclose(mask.sum((2, 3)), 1, atol=1e-3), "a softmax over the places"
    assert np.abs(found.logits - plain.logits).max() < 2e-3


def test_several_threads_get_their_own_answers(runtime: Runtime, case: tuple[str, str]) -> None:
    crops = _crops(6)
    expected = runtime.infer(crops).logits

    def worst(index: int) -> float:
        part = runtime.infer(crops[index % 6 : index % 6 + 1]).logits
        return float(np.abs(part - expected[index % 6]).max())

    limit = 0.5 if case[1] == "openvino-int8" else 0.05  # INT8 kernels differ by batch
    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(worst, range(32))) < limit


@pytest.mark.parametrize("count", [0, 1, 7, 64])
def test_any_number_of_crops(runtime: Runtime, bundle: Bundle, count: int) -> None:
    logits = runtime.infer(_crops(count)).logits
    assert logits.shape == (count, len(bundle.schema))
    assert logits.dtype == np.float32
    if count > 6:
        assert np.abs(logits[6] - logits[0]).max() < 1e-3


def test_strided_and_locked_views(runtime: Runtime) -> None:
    crops = _crops(12)
    locked = crops[:3].copy()
    locked.flags.writeable = False
    for view in (crops[::2, :, ::-1], locked):
        found, direct = runtime.infer(view).logits, runtime.infer(np.ascontiguousarray(view)).logits
        assert np.abs(found - direct).max() < 1e-3


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        (np.zeros((1, 8, 8, 3), np.uint8), r"\(1, 8, 8, 3\); expected \[N, \d+, \d+, 3\]"),
        (np.zeros((1, 256, 128, 3), np.float32), "float32; expected a NumPy array of uint8"),
        ([1, 2], "list; expected"),
    ],
)
def test_wrong_input_is_named(runtime: Runtime, crops: npt.NDArray[np.uint8], message: str) -> None:
    with pytest.raises(InputError, match=message):
        runtime.infer(crops)


def test_int8_is_exact_on_processors_that_would_overflow(tmp_path: Path) -> None:
    for name, flags in (("old", "sse4_1 avx2 avx512f"), ("new", "avx2 avx512_vnni")):
        (tmp_path / name).write_text(f"flags : {flags}\n")
    assert int8_overflows("x86_64", tmp_path / "old")
    assert int8_overflows("x86_64", tmp_path / "absent")
    assert not int8_overflows("x86_64", tmp_path / "new")
    assert not int8_overflows("aarch64", tmp_path / "absent")


def test_the_exact_mode_gives_the_same_answers(
    converted: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = converted
    with open_runtime(bundle, "onnxruntime", "int8") as fast:
        expected = fast.infer(bundle.golden.crops).logits
    monkeypatch.setattr(onnx_engine, "int8_overflows", lambda machine, cpuinfo: True)
    with open_runtime(bundle, "onnxruntime", "int8") as exact:
        found = exact.infer(bundle.golden.crops).logits
    assert np.abs(found - expected).max() < 0.2
