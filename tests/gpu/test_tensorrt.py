"""TensorRT for real: the default model converted, built and run on this machine's GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.bundle import Bundle
from edgeattr.errors import RuntimeFailure
from edgeattr.hub import default_bundle
from edgeattr_runtimes import Runtime, open_runtime

pytestmark = pytest.mark.gpu

_PRECISIONS = ("fp16", "int8")
_WORST = {"fp16": 0.05, "int8": 0.5}  # logits, against ONNX Runtime with the same precision


@pytest.fixture(scope="module")
def home(gpu_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One EDGEATTR_HOME for the module, so that each engine is built once."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEATTR_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _keep_home(_own_home: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEATTR_HOME", str(home))


@pytest.fixture(scope="module")
def bundle(home: Path) -> Bundle:
    """The default bundle with its TensorRT variants; INT8 where PETA is at hand."""
    target = home / "made.edgeattr"
    root = Path(__file__).resolve().parents[2]
    peta = Path(os.environ.get("EDGEATTR_SHARED", root.parent / "shared")) / "peta"
    command = [sys.executable, "-m", "edgeattr", "convert", "--fp16", "--to", "tensorrt"]
    if (peta / "PETA.mat").is_file():
        command += ["--int8", "--calib", f"peta:{peta}", "--max-drop", "2", "--min-speedup", "0"]
    subprocess.run(
        [*command, "--out", target], check=True, env={**os.environ, "EDGEATTR_HOME": str(home)}
    )
    return Bundle.read(target)


@pytest.fixture(scope="module", params=_PRECISIONS)
def runtime(request: pytest.FixtureRequest, bundle: Bundle) -> Iterator[Runtime]:
    if f"tensorrt-{request.param}" not in bundle.variants:
        pytest.skip(f"the conversion made no tensorrt-{request.param}")
    with open_runtime(bundle, "tensorrt", request.param) as opened:
        yield opened


def _crops(count: int) -> npt.NDArray[np.uint8]:
    golden = Bundle.read(default_bundle()).golden.crops
    return np.concatenate([golden] * (count // len(golden) + 1))[:count]


def test_describe(runtime: Runtime, gpu_name: str) -> None:
    about = runtime.describe()
    assert (about.engine, about.device, about.threads) == ("tensorrt", gpu_name, 1)


@pytest.mark.parametrize("count", [0, 1, 7, 32, 33, 200])
def test_answers_are_those_of_onnx_runtime(runtime: Runtime, bundle: Bundle, count: int) -> None:
    precision = runtime.describe().precision
    with open_runtime(bundle, "onnxruntime", precision) as reference:
        expected = reference.infer(_crops(count)).logits
    found = runtime.infer(_crops(count)).logits
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max(initial=0.0) < _WORST[precision]


def test_strided_views(runtime: Runtime) -> None:
    crops = _crops(12)
    direct = runtime.infer(np.ascontiguousarray(crops[::2, :, ::-1])).logits
    assert np.array_equal(runtime.infer(crops[::2, :, ::-1]).logits, direct)


def test_threads_share_it(runtime: Runtime) -> None:
    crops = _crops(40)
    expected = runtime.infer(crops).logits
    found: list[npt.NDArray[np.float32]] = []

    def work() -> None:
        found.extend(runtime.infer(crops).logits for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert all(np.array_equal(logits, expected) for logits in found)


def test_the_engine_is_kept(runtime: Runtime, bundle: Bundle, home: Path) -> None:
    precision = runtime.describe().precision
    (path,) = (home / "engines").glob(f"tensorrt-{precision}-*.engine")
    built = path.stat().st_mtime_ns
    expected = runtime.infer(_crops(5)).logits
    start = time.perf_counter()
    with open_runtime(bundle, "tensorrt", precision) as again:
        assert time.perf_counter() - start < 20
        assert np.array_equal(again.infer(_crops(5)).logits, expected)
    assert path.stat().st_mtime_ns == built


def test_a_damaged_engine_is_built_again(runtime: Runtime, bundle: Bundle, home: Path) -> None:
    precision = runtime.describe().precision
    (path,) = (home / "engines").glob(f"tensorrt-{precision}-*.engine")
    damaged = path.read_bytes()[:-100]
    path.write_bytes(damaged)
    with open_runtime(bundle, "tensorrt", precision) as again:
        assert np.isfinite(again.infer(_crops(1)).logits).all()
    assert path.read_bytes() != damaged


def test_loading_and_closing_leaves_no_memory_behind(runtime: Runtime, bundle: Bundle) -> None:
    from edgeattr_runtimes.cuda_memory import first_gpu

    precision, gpu = runtime.describe().precision, first_gpu()
    free = []
    for _ in range(6):
        with open_runtime(bundle, "tensorrt", precision) as opened:
            opened.infer(_crops(32))
        with gpu.active():
            free.append(gpu.cuda.mem_get_info()[0])
    assert free[1] - free[-1] < 32 << 20  # bytes: the first load may fill CUDA's own pools


def test_close_from_another_thread_is_final(runtime: Runtime, bundle: Bundle) -> None:
    opened = open_runtime(bundle, "tensorrt", runtime.describe().precision)
    closing = threading.Thread(target=opened.close)
    closing.start()
    closing.join()
    opened.close()
    with pytest.raises(RuntimeFailure, match="closed"):
        opened.infer(_crops(1))
