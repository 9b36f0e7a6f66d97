"""How fast settings are on this device: each in a process of its own, all taking turns."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.bundle import Bundle
from edgeattr.errors import EdgeAttrError, RuntimeFailure
from edgeattr_runtimes.choose import check_golden, open_variant
from edgeattr_runtimes.device import memory_of_process
from edgeattr_runtimes.protocol import EngineOptions, RuntimeInfo
from edgeattr_runtimes.raw import raw_call
from edgeattr_runtimes.timing import median_interval

__all__ = ["Setting", "Timing", "measure"]

_TURN = 0.25  # seconds, at least one call
_FEWEST = 5  # turns
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
    latency_ms: dict[str, float]  # of a call: p50, p95, p99
    calls: int
    load_seconds: float  # to the first answer, imports of the engine among them
    rss_mb: float  # most memory of a process that does nothing else, MiB


def measure(
    bundle: Path,
    settings: Sequence[Setting],
    *,
    seconds: float = 3.0,
    tick: Callable[[int, int], None] = lambda done, total: None,
    leave_out: Callable[[Setting, EdgeAttrError], None] | None = None,
) -> list[Timing]:
    """Time settings in turns of a quarter of a second.

    Args:
        bundle: where it is; its golden crops are what is scored.
        settings: their variants are in the bundle.
        seconds: of each.
        tick: told how many turns are done, and of how many.
        leave_out: told of a setting that cannot be opened, and why; the others go on. It is an
            error where this is absent.

    Raises:
        BundleError: a setting answers wrongly on this device.
        MissingDependency, RuntimeFailure, UsageError: a setting cannot be opened here.
    """
    turns = max(_FEWEST, round(seconds / _TURN))
    with contextlib.ExitStack() as stack:
        workers = []
        for setting in settings:
            worker = stack.enter_context(_worker(bundle, setting))
            try:
                worker.ready()
            except EdgeAttrError as error:
                if leave_out is None:
                    raise
                leave_out(setting, error)
            else:
                workers.append(worker)
        for turn in range(turns):
            for worker in workers if turn % 2 else workers[::-1]:
                worker.take_turn()
            tick(turn + 1, turns)
        return [worker.timing() for worker in workers]


class _Worker:
    """The process that runs a setting, seen from here."""

    def __init__(self, setting: Setting, pipe: Connection) -> None:
        self._setting, self._pipe = setting, pipe
        self._turns: list[list[float]] = []  # seconds of each call

    def ready(self) -> None:
        """Wait until it has loaded."""
        self._about, self._load_seconds = self._answer()

    def take_turn(self) -> None:
        """Let it run, and wait."""
        self._turns.append(self._ask(True))

    def timing(self) -> Timing:
        """End it, and say what was found."""
        rss = self._ask(False)
        rates = [self._setting.batch * len(turn) / sum(turn) for turn in self._turns]
        low, middle, high = median_interval(rates)
        calls = np.concatenate(self._turns) * 1000
        return Timing(
            setting=self._setting,
            about=self._about,
            crops_per_second=middle,
            low=low,
            high=high,
            latency_ms={f"p{at}": float(np.percentile(calls, at)) for at in _PERCENTILES},
            calls=len(calls),
            load_seconds=self._load_seconds,
            rss_mb=rss,
        )

    def _ask(self, more: bool) -> Any:
        with contextlib.suppress(OSError):  # that it died shows in its answer
            self._pipe.send(more)
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
def _worker(bundle: Path, setting: Setting) -> Iterator[_Worker]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, bundle, setting), daemon=True)
    process.start()
    there.close()
    try:
        yield _Worker(setting, here)
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
        pipe.send((about, time.perf_counter() - start))
        for _ in range(_WARM_UP):
            call()
        while pipe.recv():
            pipe.send(_turn(call))
    pipe.send(_most_memory())


def _most_memory() -> float:
    """What this process ever had resident, MiB."""
    try:  # what getrusage says is at least what the process that started this one had
        return memory_of_process("VmHWM") / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _turn(call: Callable[[], object]) -> list[float]:
    seconds: list[float] = []
    while sum(seconds) < _TURN:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


@contextlib.contextmanager
def _opened(
    bundle: Bundle, setting: Setting, crops: npt.NDArray[np.uint8]
) -> Iterator[tuple[RuntimeInfo, Callable[[], object]]]:
    """The setting, checked, as a call without arguments."""
    variant = bundle.variant(setting.variant)
    with open_variant(bundle, variant, setting.engine, setting.options) as runtime:
        check_golden(bundle, variant, runtime)
        about = runtime.describe()
        if not setting.raw:
            yield about, lambda: runtime.infer(crops)
            return
    with raw_call(bundle, variant, about, crops) as call:
        yield about, call
