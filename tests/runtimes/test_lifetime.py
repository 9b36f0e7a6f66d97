"""What must hold around an engine's calls: many of them, other processes, Ctrl-C, closing."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import InputError, RuntimeFailure
from edgeattr_runtimes import EngineOptions, Runtime, available, open_runtime, remedy

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


def _run(code: str, engine: str, bundle: Bundle, *more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, engine, str(bundle.path)]
    return subprocess.run(
        [*command, *map(str, more)], capture_output=True, text=True, timeout=120, check=False
    )


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


_SIGNALLED = (
    _START
    + """
bundle = Bundle.read(Path(sys.argv[2]))
runtime = open_runtime(bundle, engine, "fp32")
number = getattr(signal, sys.argv[3])
signal.signal(signal.SIGTERM, lambda *_: runtime.close())
filled, sent = 0, False
def fill(first, out):
    global filled, sent
    out[:], filled = bundle.golden.crops[0], filled + len(out)
    if filled > 500 and not sent:
        sent = True
        os.kill(os.getpid(), number)
try:
    runtime.infer_filled(100_000, fill)
    raise SystemExit("it went on to its end")
except KeyboardInterrupt:
    assert number == signal.SIGINT
    assert right(runtime)
except RuntimeFailure as error:
    assert number == signal.SIGTERM and "closed" in str(error)
assert filled < 100_000
runtime.close()
"""
)


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@_TORCH_IS_SLOW
def test_a_signal_ends_a_long_call_soon(small_bundle: Bundle, engine: str, number: str) -> None:
    """After Ctrl-C the model can be used on; a handler may close what the program beneath it uses,
    and then it can be closed again."""
    done = _run(_SIGNALLED, engine, small_bundle, number)
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

    def fail(first: int, out: npt.NDArray[np.uint8]) -> None:
        raise InputError(f"crop {first} is bad")

    with _open(small_bundle, engine, streams=streams, batch=2) as runtime:
        for count in (1, 7):
            with pytest.raises(InputError, match="crop 0 is bad"):
                runtime.infer_filled(count, fail)
        found = runtime.infer_filled(len(golden.crops), fill).logits
        assert np.abs(found - golden.logits).max() < 1e-3
        assert filled == set(range(len(golden.crops)))
        assert runtime.infer_filled(0, fill).logits.shape == (0, len(small_bundle.schema))


def test_closing_waits_for_calls(small_bundle: Bundle, engine: str) -> None:
    """Eight threads call while the model is closed: each call is answered, or says so."""
    runtime, golden = _open(small_bundle, engine), small_bundle.golden
    answered = threading.Event()

    def call(_: int) -> str:
        while True:
            try:
                found = runtime.infer(golden.crops).logits
            except RuntimeFailure as error:
                return str(error)
            assert np.abs(found - golden.logits).max() < 1e-3
            answered.set()

    with ThreadPoolExecutor(8) as pool:
        told = pool.map(call, range(8))
        assert answered.wait(30)
        runtime.close()
        assert all("closed" in text for text in told)


_CALLED_OFTEN = (
    _START
    + """
from edgeattr_runtimes.device import memory_of_process
bundle, calls = Bundle.read(Path(sys.argv[2])), int(sys.argv[3])
with open_runtime(bundle, engine, "fp32") as runtime:
    sizes = [5, 2, *(1 for _ in range(30))]
    crops = [np.resize(bundle.golden.crops, (n, *bundle.golden.crops.shape[1:])) for n in sizes]
    for call in range(300):  # until every size has been seen and pools are full
        runtime.infer(crops[call % len(crops)])
    before = memory_of_process("VmRSS")
    for call in range(300, calls):
        runtime.infer(crops[call % len(crops)])
    print(memory_of_process("VmRSS") - before)
"""
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("calls", [800, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"], indirect=True)
def test_memory_stays_flat(small_bundle: Bundle, engine: str, calls: int) -> None:
    """In a process of its own: what other tests left behind grows and shrinks in this one."""
    done = _run(_CALLED_OFTEN, engine, small_bundle, calls)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 4096, "KiB"


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


_COMPUTES_TO_THE_END = """
import threading, time
import numpy as np
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.hub import person_bundle
from edgeattr_runtimes.detection import open_detection
detector = open_detection(DetectionBundle.read(person_bundle()), "{engine}", threads=1)
frames = np.zeros((1, 256, 416, 3), np.uint8)
detector.run(frames)
def work():
    while True:
        detector.run(frames)
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_program_ends_while_its_daemon_threads_compute(engine: str) -> None:
    code = _COMPUTES_TO_THE_END.format(engine=engine)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
