"""What every engine must do; each engine that is installed runs all of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.bundle import Bundle
from edgeattr.errors import InputError, RuntimeFailure
from edgeattr.hub import default_bundle
from edgeattr_runtimes import ENGINES, Runtime, available, open_runtime

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
