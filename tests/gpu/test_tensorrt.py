"""TensorRT for real: the default model converted, built and run on this machine's GPU."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.hub import default_bundle
from edgeattr_runtimes import EngineOptions, Runtime, open_runtime
from edgeattr_runtimes.cuda import first_gpu

pytestmark = pytest.mark.gpu

Crops = npt.NDArray[np.uint8]

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


def _crops(count: int) -> Crops:
    golden = Bundle.read(default_bundle()).golden.crops
    return np.concatenate([golden] * (count // len(golden) + 1))[:count]


@pytest.mark.parametrize("count", [0, 1, 7, 32, 33, 200])
def test_answers_are_those_of_onnx_runtime(runtime: Runtime, bundle: Bundle, count: int) -> None:
    precision = runtime.describe().precision
    with open_runtime(bundle, "onnxruntime", precision) as reference:
        expected = reference.infer(_crops(count)).logits
    found = runtime.infer(_crops(count)).logits
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max(initial=0.0) < _WORST[precision]


def test_filled_crops_go_straight_into_page_locked_memory(runtime: Runtime) -> None:
    crops, kinds = _crops(40), set()

    def fill(first: int, part: Crops) -> None:
        part[:] = crops[first : first + len(part)]
        owner: Any = part
        while isinstance(owner, np.ndarray):
            owner = owner.base
        kinds.add(type(owner).__name__)

    found = runtime.infer_filled(40, fill).logits
    assert np.array_equal(found, runtime.infer(crops).logits)
    assert kinds == {"PagelockedHostAllocation"}


def _seconds(runtime: Runtime, crops: Crops, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        runtime.infer(crops)
    return time.perf_counter() - start


def test_int8_is_not_slower_than_fp16(bundle: Bundle, gpu_name: str) -> None:
    """Turn about, so that heat and clocks hit both."""
    if "tensorrt-int8" not in bundle.variants:
        pytest.skip("the conversion made no tensorrt-int8")
    options, crops = EngineOptions(streams=1, batch=32), _crops(32)
    with (
        open_runtime(bundle, "tensorrt", "fp16", options) as fp16,
        open_runtime(bundle, "tensorrt", "int8", options) as int8,
    ):
        for runtime in (fp16, int8):
            _seconds(runtime, crops, 50)
        ratios = [_seconds(fp16, crops, 20) / _seconds(int8, crops, 20) for _ in range(15)]
    ratio = statistics.median(ratios)
    print(f"\nINT8 is {ratio:.2f} times as fast as FP16 in batches of 32 on {gpu_name}")
    assert ratio > 0.9


def test_engines_are_built_once_for_each_way_to_run(
    runtime: Runtime, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    def builds(**options: Any) -> int:
        caplog.clear()
        with open_runtime(
            bundle, "tensorrt", runtime.describe().precision, EngineOptions(**options)
        ) as opened:
            opened.infer(_crops(3))
        return sum(text.startswith("building ") for text in caplog.messages)

    assert builds() == 0
    assert [builds(batch=4), builds(batch=4)] == [1, 0]
    assert builds() == 0


def _engine_file(home: Path, precision: str) -> Path:
    """Where the engine for batches of up to 32 is kept; the tests build others too."""
    found = []
    for path in (home / "engines").glob(f"tensorrt-{precision}-*.engine"):
        facts = json.loads(path.with_name(path.name + ".json").read_text())["facts"]
        if facts["options"]["max_batch"] == 32:
            found.append(path)
    (only,) = found
    return only


def test_the_engine_is_kept(runtime: Runtime, bundle: Bundle, home: Path) -> None:
    precision = runtime.describe().precision
    path = _engine_file(home, precision)
    built = path.stat().st_mtime_ns
    expected = runtime.infer(_crops(5)).logits
    start = time.perf_counter()
    with open_runtime(bundle, "tensorrt", precision) as again:
        assert time.perf_counter() - start < 20
        assert np.array_equal(again.infer(_crops(5)).logits, expected)
    assert path.stat().st_mtime_ns == built


def test_a_damaged_engine_is_built_again(runtime: Runtime, bundle: Bundle, home: Path) -> None:
    precision = runtime.describe().precision
    path = _engine_file(home, precision)
    damaged = path.read_bytes()[:-100]
    path.write_bytes(damaged)
    with open_runtime(bundle, "tensorrt", precision) as again:
        assert np.isfinite(again.infer(_crops(1)).logits).all()
    assert path.read_bytes() != damaged


def test_loading_and_closing_leaves_no_memory_behind(runtime: Runtime, bundle: Bundle) -> None:
    precision, gpu = runtime.describe().precision, first_gpu()
    free = []
    for _ in range(6):
        with open_runtime(bundle, "tensorrt", precision) as opened:
            opened.infer(_crops(32))
        with gpu.active():
            free.append(gpu.cuda.mem_get_info()[0])
    assert free[1] - free[-1] < 32 << 20  # bytes: the first load may fill CUDA's own pools


def _resident() -> int:
    """Bytes of the computer's memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_memory_stays_flat_over_100_000_calls(runtime: Runtime) -> None:
    """Of sizes that take turns, so that shapes are set all the time."""
    gpu, sizes = first_gpu(), (1, 1, 1, 4, 4, 7)

    def held() -> tuple[int, int]:
        with gpu.active():
            return gpu.cuda.mem_get_info()[0], _resident()

    crops = _crops(max(sizes))
    for call in range(100_000):
        if call == 2_000:  # pools are full
            free, resident = held()
        runtime.infer(crops[: sizes[call % len(sizes)]])
    free_at_last, resident_at_last = held()
    assert free - free_at_last < 32 << 20
    assert resident_at_last - resident < 64 << 20
