"""What must hold around an engine's calls: many of them, other processes, Ctrl-C, closing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import InputError, RuntimeFailure
from edgeattr_runtimes import EngineOptions, Runtime, available, open_runtime, remedy
from edgeattr_runtimes.device import memory_of_process

_ENGINES = ("onnxruntime", "openvino", "torch")
_TORCH_IS_SLOW = pytest.mark.parametrize(
    "engine",
    [*_ENGINES[:2], pytest.param("torch", marks=pytest.mark.slow)],  # it takes long to import
    indirect=True,
)


@pytest.fixture(params=_ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name not in available():
        pytest.skip(f"{name} cannot run here: {remedy(name)}")
    return name


def _open(bundle: Bundle, engine: str, **options: int) -> Runtime:
    return open_runtime(bundle, engine, "fp32", EngineOptions(**options))


def _crops(bundle: Bundle, count: int) -> npt.NDArray[np.uint8]:
    return np.resize(bundle.golden.crops, (count, *bundle.golden.crops.shape[1:]))


def _run(code: str, engine: str, bundle: Bundle) -> subprocess.CompletedProcess[str]:
    assert bundle.path
    command = [sys.executable, "-W", "ignore", "-c", code, engine, str(bundle.path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


_START = """
import os, signal, sys, threading, time
import numpy as np
from pathlib import Path
from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes import EngineOptions, open_runtime
engine = sys.argv[1]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
def right(runtime):
    found = runtime.infer(bundle.golden.crops).logits
    return np.abs(found - bundle.golden.logits).max() < 1e-3
"""

_FORKED = (
    _START
    + """
bundle = Bundle.read(Path(sys.argv[2]))
parent = open_runtime(bundle, engine, "fp32")
assert right(parent)
child = os.fork()
if child == 0:
    signal.alarm(60)
    try:
        parent.infer(bundle.golden.crops)
        os._exit(3)
    except RuntimeFailure as error:
        assert "forked from" in str(error), error
    parent.close()
    try:
        with open_runtime(bundle, engine, "fp32") as own:
            os._exit(0 if right(own) else 4)
    except RuntimeFailure as error:
        print(error, flush=True)
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert right(parent)
parent.close()
"""
)


@_TORCH_IS_SLOW
def test_a_forked_process(small_bundle: Bundle, engine: str) -> None:
    """A loaded model says that it stayed behind; a new one runs, or says why it cannot."""
    done = _run(_FORKED, engine, small_bundle)
    assert done.returncode == 0, done.stderr
    assert ("get_context" in done.stdout) == (engine == "torch")


_INTERRUPTED = (
    _START
    + """
bundle = Bundle.read(Path(sys.argv[2]))
runtime = open_runtime(bundle, engine, "fp32")
crops = np.resize(bundle.golden.crops, (20_000, *bundle.golden.crops.shape[1:]))
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
start = time.perf_counter()
try:
    runtime.infer(crops)
    raise SystemExit("it was not interrupted")
except KeyboardInterrupt:
    assert time.perf_counter() - start < 5
assert right(runtime)
runtime.close()
"""
)


@_TORCH_IS_SLOW
def test_ctrl_c(small_bundle: Bundle, engine: str) -> None:
    """It ends a long call soon, and the model can be used on."""
    done = _run(_INTERRUPTED, engine, small_bundle)
    assert done.returncode == 0, done.stderr


def test_a_thousand_crops(small_bundle: Bundle, engine: str) -> None:
    crops = _crops(small_bundle, 1000)
    with _open(small_bundle, engine) as runtime:
        logits = runtime.infer(crops).logits
    expected = np.resize(small_bundle.golden.logits, logits.shape)
    assert np.abs(logits - expected).max() < 1e-3, "in the order in which they came"


@pytest.mark.parametrize("streams", [1, 3])
def test_crops_are_put_together_inside(small_bundle: Bundle, engine: str, streams: int) -> None:
    golden, filled = small_bundle.golden, set[int]()

    def fill(first: int, out: npt.NDArray[np.uint8]) -> None:
        assert out.flags.c_contiguous
        filled.update(range(first, first + len(out)))
        out[:] = golden.crops[first : first + len(out)]

    with _open(small_bundle, engine, streams=streams, batch=2) as runtime:
        found = runtime.infer_filled(len(golden.crops), fill).logits
        assert np.abs(found - golden.logits).max() < 1e-3
        assert filled == set(range(len(golden.crops)))
        assert runtime.infer_filled(0, fill).logits.shape == (0, len(small_bundle.schema))


def test_what_filling_raises_comes_through(small_bundle: Bundle, engine: str) -> None:
    def fill(first: int, out: npt.NDArray[np.uint8]) -> None:
        raise InputError(f"crop {first} is bad")

    with _open(small_bundle, engine, streams=2, batch=2) as runtime:
        for count in (1, 7):
            with pytest.raises(InputError, match="crop 0 is bad"):
                runtime.infer_filled(count, fill)
        golden = small_bundle.golden
        assert np.abs(runtime.infer(golden.crops).logits - golden.logits).max() < 1e-3


def test_closing_waits_for_calls(small_bundle: Bundle, engine: str) -> None:
    """Eight threads call while the model is closed: each call is answered, or says so."""
    runtime, golden = _open(small_bundle, engine), small_bundle.golden
    wrong, closed = [], []

    def call() -> None:
        while True:
            try:
                found = runtime.infer(golden.crops).logits
            except RuntimeFailure as error:
                closed.append("closed" in str(error))
                return
            wrong.append(np.abs(found - golden.logits).max() > 1e-3)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    runtime.close()
    for thread in threads:
        thread.join(timeout=30)
    assert closed == [True] * 8
    assert wrong
    assert not any(wrong)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("calls", [800, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"], indirect=True)
def test_memory_stays_flat(small_bundle: Bundle, engine: str, calls: int) -> None:
    with _open(small_bundle, engine) as runtime:
        sizes = [5, 2, *(1 for _ in range(30))]
        crops = [_crops(small_bundle, count) for count in sizes]
        for call in range(300):  # until every size has been seen and pools are full
            runtime.infer(crops[call % len(crops)])
        before = memory_of_process("VmRSS")
        for call in range(300, calls):
            runtime.infer(crops[call % len(crops)])
        assert memory_of_process("VmRSS") < before + 4096


def test_a_close_that_is_interrupted_can_be_called_again(small_bundle: Bundle) -> None:
    """And a handler of a signal may close what the program beneath it is using."""
    done = _run(_CLOSED_BY_A_SIGNAL, "onnxruntime", small_bundle)
    assert done.returncode == 0, done.stderr


_CLOSED_BY_A_SIGNAL = (
    _START
    + """
bundle = Bundle.read(Path(sys.argv[2]))
runtime = open_runtime(bundle, engine, "fp32")
crops = np.resize(bundle.golden.crops, (20_000, *bundle.golden.crops.shape[1:]))
signal.signal(signal.SIGTERM, lambda *_: runtime.close())
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
start = time.perf_counter()
try:
    runtime.infer(crops)
    raise SystemExit("it was not closed")
except RuntimeFailure as error:
    assert "closed" in str(error)
assert time.perf_counter() - start < 8
runtime.close()
"""
)


@pytest.mark.slow
def test_openvino_loads_every_time(small_bundle: Bundle) -> None:
    """Two threads that first ask OpenVINO for a type's name at once can wait for ever."""
    if "openvino" not in available():
        pytest.skip(remedy("openvino"))
    for _ in range(25):
        done = _run(
            _START + "bundle = Bundle.read(Path(sys.argv[2]))\n"
            "with open_runtime(bundle, engine, 'fp32', EngineOptions(streams=3)) as runtime:\n"
            "    assert right(runtime)\n",
            "openvino",
            small_bundle,
        )
        assert done.returncode == 0, done.stderr
