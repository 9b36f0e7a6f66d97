"""What every engine must do; each engine that is installed runs all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.bundle import Bundle
from edgeattr.errors import InputError, RuntimeFailure
from edgeattr.hub import default_bundle
from edgeattr_runtimes import ENGINES, Runtime, available, onnx_engine, open_runtime
from edgeattr_runtimes.onnx_engine import _int8_overflows

_CASES = [(engine, precision) for engine in ENGINES for precision in ("fp32", "int8")]


@pytest.fixture(scope="module", params=_CASES, ids="-".join)
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    engine, precision = request.param
    if engine not in available():
        pytest.skip(f"{engine} is not installed")
    with open_runtime(Bundle.read(default_bundle()), engine, precision) as opened:
        yield opened


def _crops(count: int) -> npt.NDArray[np.uint8]:
    golden = Bundle.read(default_bundle()).golden.crops
    return np.concatenate([golden] * (count // len(golden) + 1))[:count]


def test_golden_answers(runtime: Runtime) -> None:
    bundle = Bundle.read(default_bundle())
    tolerance = bundle.variants[f"onnx-{runtime.describe().precision}"].tolerance
    found = runtime.infer(bundle.golden.crops).logits
    assert np.abs(found - bundle.golden.logits).max() <= tolerance


@pytest.mark.parametrize("count", [0, 1, 7, 64, 200])
def test_any_number_of_crops(runtime: Runtime, count: int) -> None:
    logits = runtime.infer(_crops(count)).logits
    assert logits.shape == (count, 35)
    assert logits.dtype == np.float32
    if count > 6:
        assert np.abs(logits[6] - logits[0]).max() < 1e-3


def test_strided_views(runtime: Runtime) -> None:
    crops = _crops(12)
    direct = runtime.infer(np.ascontiguousarray(crops[::2, :, ::-1])).logits
    assert np.abs(runtime.infer(crops[::2, :, ::-1]).logits - direct).max() < 1e-3


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


def test_describe(runtime: Runtime) -> None:
    about = runtime.describe()
    assert about.engine in ENGINES
    assert about.threads >= 1
    assert about.version


@pytest.mark.parametrize("engine", list(ENGINES))
def test_close_is_final_and_may_be_repeated(engine: str) -> None:
    if engine not in available():
        pytest.skip(f"{engine} is not installed")
    opened = open_runtime(Bundle.read(default_bundle()), engine)
    opened.close()
    opened.close()
    with pytest.raises(RuntimeFailure, match="closed"):
        opened.infer(_crops(1))


def test_int8_is_exact_on_processors_that_would_overflow(tmp_path: Path) -> None:
    for name, flags in (("old", "sse4_1 avx2 avx512f"), ("new", "avx2 avx512_vnni")):
        (tmp_path / name).write_text(f"flags : {flags}\n")
    assert _int8_overflows("x86_64", tmp_path / "old")
    assert _int8_overflows("x86_64", tmp_path / "absent")
    assert not _int8_overflows("x86_64", tmp_path / "new")
    assert not _int8_overflows("aarch64", tmp_path / "absent")


def test_the_exact_mode_gives_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle.read(default_bundle())
    with open_runtime(bundle, "onnxruntime", "int8") as fast:
        expected = fast.infer(bundle.golden.crops).logits
    monkeypatch.setattr(onnx_engine, "_int8_overflows", lambda machine, cpuinfo: True)
    with open_runtime(bundle, "onnxruntime", "int8") as exact:
        found = exact.infer(bundle.golden.crops).logits
    assert np.abs(found - expected).max() < 0.2
