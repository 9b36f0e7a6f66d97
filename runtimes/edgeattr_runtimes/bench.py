"""How fast settings are on this device: each in a process of its own, all taking turns."""

from __future__ import annotations

import collections
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edgeattr.core.errors import EdgeAttrError
from edgeattr.core.limits import available_memory
from edgeattr_runtimes.bench_process import BenchProcess, Setting, Timing, started

_FEWEST = 5  # turns
_TURN = 0.25  # seconds
_SHARE = 0.5  # of the memory that can be had, for all processes together

LeaveOut = Callable[[Setting, EdgeAttrError], None]


def measure(
    bundle: Path,
    settings: Sequence[Setting],
    *,
    seconds: float = 3.0,
    tick: Callable[[int, int], None] = lambda done, total: None,
    leave_out: LeaveOut | None = None,
) -> list[Timing]:
    """Time settings in turns of a quarter of a second.

    As many settings take turns as fit into half of the memory that can be had, at least two. Where
    that is not all of them, they go in groups, and the first setting takes turns in every group,
    so that :attr:`Timing.relative` can be compared among all.

    Args:
        bundle: where it is; its golden crops are what is scored.
        settings: their variants are in the bundle.
        seconds: of each.
        tick: told how many turns are done, and of how many: as far as can be told, which may
            change from one group to the next.
        leave_out: told of a setting that cannot be opened, and why; the others go on. It is an
            error where this is absent.

    Returns:
        In the order of the settings.

    Raises:
        BundleError: a setting answers wrongly on this device.
        MissingDependency, RuntimeFailure, UsageError: a setting cannot be opened here.
    """
    turns = max(_FEWEST, round(seconds / _TURN))
    waiting = collections.deque(settings)
    memory = available_memory()
    room = math.inf if memory is None else _SHARE * memory
    with contextlib.ExitStack() as stack:
        first = next(_opened(stack, bundle, waiting, leave_out), None)
        if first is None:
            return []
        others: list[Timing] = []
        done = 0
        while waiting or not done:
            with contextlib.ExitStack() as for_the_group:
                opened = _opened(for_the_group, bundle, waiting, leave_out)
                group = [first, *_fitting(opened, first.memory, room)]
                total = done + turns * (1 + math.ceil(len(waiting) / max(1, len(group) - 1)))
                for turn in range(turns):
                    _take_turns(group, forwards=bool(turn % 2))
                    tick(done + turn + 1, total)
                done += turns
                others += [process.timing() for process in group[1:]]
        return [first.timing(), *others]


def _opened(
    stack: contextlib.ExitStack,
    bundle: Path,
    waiting: collections.deque[Setting],
    leave_out: LeaveOut | None,
) -> Iterator[BenchProcess]:
    """Processes that are ready, one after the other as they are asked for."""
    while waiting:
        setting = waiting.popleft()
        process = stack.enter_context(started(bundle, setting))
        try:
            process.ready()
        except EdgeAttrError as error:
            if leave_out is None:
                raise
            leave_out(setting, error)
        else:
            yield process


def _fitting(opened: Iterator[BenchProcess], used: float, room: float) -> list[BenchProcess]:
    """At least one more, and as many as there is memory for, if each takes what the largest did.

    Args:
        opened: processes, each started when it is taken.
        used: memory of the one that is there, bytes.
        room: memory that all may take, bytes.
    """
    found: list[BenchProcess] = []
    largest = used
    while not found or used + largest <= room:
        process = next(opened, None)
        if process is None:
            break
        found.append(process)
        used += process.memory
        largest = max(largest, process.memory)
    return found


def _take_turns(group: Sequence[BenchProcess], *, forwards: bool) -> None:
    """One turn of each; the order goes to and fro."""
    for process in group if forwards else group[::-1]:
        process.take_turn(_TURN)
    for process in group:
        process.beside(group[0])
