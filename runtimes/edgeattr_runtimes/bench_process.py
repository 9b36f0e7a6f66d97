"""A setting that is timed, in a process of its own."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import EdgeAttrError, RuntimeFailure
from edgeattr_runtimes.device import memory_of_process
from edgeattr_runtimes.engine import Engine
from edgeattr_runtimes.load import check_golden, open_variant
from edgeattr_runtimes.protocol import EngineOptions, RuntimeInfo, batch_size
from edgeattr_runtimes.timing import median_interval

_WARM_UP = 3  # calls
_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is timed."""

    engine: str  # "onnxruntime", ...
    variant: str  # "onnx-int8", ...
    batch: int = 8  # crops a call
    options: EngineOptions = field(default_factory=EngineOptions)
    raw: bool = False  # the engine's own calls on ready-made arrays, without edgeattr between


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What a setting was found to do."""

    setting: Setting
    about: RuntimeInfo
    crops_per_second: float  # median of the turns
    low: float  # 95 % interval of that median
    high: float
    relative: float  # to the first setting's crops/s, median of turns beside each other
    latency_ms: dict[str, float]  # of a call: p50, p95, p99
    calls: int
    load_seconds: float | None  # to the first answer, imports of the engine among them
    rss_mb: float | None  # most memory of a process that does nothing else, MiB
    # these two are not known of raw calls: our engine is in their process too


class BenchProcess:
    """The process that runs a setting, seen from the one that started it.

    Attributes:
        memory: most that it had resident when it was ready, bytes.
    """

    def __init__(self, setting: Setting, pipe: Connection) -> None:
        self._setting, self._pipe = setting, pipe
        self._turns: list[list[float]] = []  # seconds of each call
        self._rates: list[float] = []  # crops/s of each turn
        self._ratios: list[float] = []
        self.memory = 0.0

    def ready(self) -> None:
        """Wait until it has loaded.

        Raises:
            EdgeAttrError: it cannot.
        """
        self._about, self._load_seconds, self.memory = self._answer()

    def take_turn(self, seconds: float) -> None:
        """Let it run for so long, at least one call, and wait."""
        turn = self._ask(seconds)
        self._turns.append(turn)
        self._rates.append(self._setting.batch * len(turn) / sum(turn))

    def beside(self, other: BenchProcess) -> None:
        """Keep how fast its last turn was, as a share of another's last turn."""
        self._ratios.append(self._rates[-1] / other._rates[-1])

    def timing(self) -> Timing:
        """End it, and say what was found."""
        memory = self._ask(None)
        low, middle, high = median_interval(self._rates)
        calls = np.concatenate(self._turns) * 1000
        return Timing(
            setting=self._setting,
            about=self._about,
            crops_per_second=middle,
            low=low,
            high=high,
            relative=float(np.median(self._ratios)),
            latency_ms={f"p{at}": float(np.percentile(calls, at)) for at in _PERCENTILES},
            calls=len(calls),
            load_seconds=None if self._setting.raw else self._load_seconds,
            rss_mb=None if self._setting.raw else memory / 2**20,
        )

    def _ask(self, seconds: float | None) -> Any:
        with contextlib.suppress(OSError):  # that it died shows in its answer
            self._pipe.send(seconds)
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise RuntimeFailure(
                f"{self._setting.variant} on {self._setting.engine}: its process died; is there "
                "enough memory?"
            ) from error
        if isinstance(answer, EdgeAttrError):
            raise answer
        return answer


@contextlib.contextmanager
def started(bundle: Path, setting: Setting) -> Iterator[BenchProcess]:
    """A setting's process, which ends with the block."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, bundle, setting), daemon=True)
    process.start()
    there.close()
    try:
        yield BenchProcess(setting, here)
    finally:
        here.close()
        process.join(timeout=5)
        process.kill()


def _serve(pipe: Connection, path: Path, setting: Setting) -> None:
    """What runs in the process."""
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            _take_turns(pipe, Bundle.read(path), setting)
        except EdgeAttrError as error:
            pipe.send(error)


def _take_turns(pipe: Connection, bundle: Bundle, setting: Setting) -> None:
    crops = np.resize(bundle.golden.crops, (setting.batch, *bundle.golden.crops.shape[1:]))
    start = time.perf_counter()
    with _opened(bundle, setting, crops) as (about, call):
        call()
        pipe.send((about, time.perf_counter() - start, _most_memory()))
        for _ in range(_WARM_UP):
            call()
        while (seconds := pipe.recv()) is not None:
            pipe.send(_turn(call, seconds))
    pipe.send(_most_memory())


def _most_memory() -> int:
    """What this process ever had resident, bytes."""
    try:  # what getrusage says is at least what the process that started this one had
        return memory_of_process("VmHWM") * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _turn(call: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each call, as many as it takes."""
    found: list[float] = []
    while sum(found) < seconds:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return found


@contextlib.contextmanager
def _opened(
    bundle: Bundle, setting: Setting, crops: npt.NDArray[np.uint8]
) -> Iterator[tuple[RuntimeInfo, Callable[[], object]]]:
    """The setting, checked, as a call without arguments."""
    variant = bundle.variant(setting.variant)
    with open_variant(bundle, variant, setting.engine, setting.options) as runtime:
        check_golden(bundle, variant, runtime)
        about = runtime.describe()
        if setting.raw:
            assert isinstance(runtime, Engine)
            with raw_call(runtime, crops) as call:
                yield about, call
        else:
            yield about, lambda: runtime.infer(crops)


@contextlib.contextmanager
def raw_call(engine: Engine, crops: npt.NDArray[np.uint8]) -> Iterator[Callable[[], object]]:
    """A call that runs an engine's sessions alone, on crops that lie in their memory already.

    Threads, streams and batches are the engine's, so that what is left is what it adds.

    Args:
        engine: what it is measured against.
        crops: uint8 [N, H, W, 3], N at least 1.
    """
    about = engine.describe()
    size = batch_size(len(crops), about.batch, about.streams)
    parts = [crops[start : start + size] for start in range(0, len(crops), size)]
    session = engine.sessions[-1 if len(crops) == 1 else 0]  # the last runs one crop on all threads
    with contextlib.ExitStack() as stack:
        runs = []
        for part in parts:
            slot = session.slot()
            stack.callback(slot.close)
            (memory,) = slot.inputs.values()
            memory[: len(part)] = part
            runs.append(functools.partial(slot.run, len(part)))
        if len(runs) == 1:
            yield runs[0]
            return
        workers = stack.enter_context(ThreadPoolExecutor(min(about.streams, len(runs))))
        yield lambda: list(workers.map(lambda run: run(), runs))
