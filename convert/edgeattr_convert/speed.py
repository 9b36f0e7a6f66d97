"""How fast a variant is beside its parent: both timed in turns, in one run, on this device.

Other work on the machine slows both alike while they take turns, so their ratio is steadier than
either time. Turns go on until the ratio's confidence interval is narrow or the limit that is
asked for lies outside of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgeattr.core.progress import Tick, no_tick
from edgeattr_convert.validation_result import Speed
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.timing import median_interval

_FEWEST = 15  # turns, and turns between two looks at what they say
MOST_SECONDS = 40.0  # of turns, where a limit is to be decided
LOOK_SECONDS = 8.0  # of turns, if no limit is to be decided
_NARROW = 0.04  # width of the interval, as a share of the ratio, at which turns may end

Call = Callable[[npt.NDArray[np.uint8]], object]
_Times = list[list[float]]  # for each turn: parent and child, batch and single; seconds


def compare_speed(
    parent: Call,
    child: Call,
    batch: npt.NDArray[np.uint8],
    *,
    device: str = "",
    arithmetic: str = "f32",
    limit: float = 0.0,
    seconds: float | None = None,
    tick: Tick = no_tick,
) -> Speed:
    """Time two networks in turns.

    Args:
        parent: the one to compare with, called with the batch.
        child: the one that is judged.
        batch: pictures of a call, uint8 [n, H, W, 3]; one of them alone tells the latency.
        device: that the child runs on; this machine where it is the CPU.
        arithmetic: of the child, for the record.
        limit: the speedup that is asked for; turns go on while the interval contains it. 0: none.
        seconds: after which turns end in any case; 40 with a limit and 8 without where absent.
        tick: receives the progress.

    Returns:
        Medians, and the median ratio of crops per second in batches with its 95 % interval, by
        bootstrap over the turns.
    """
    seconds = seconds or (MOST_SECONDS if limit else LOOK_SECONDS)
    times = _times_in_turns((parent, child), batch, limit, seconds, tick)
    parent_batch, parent_single, whole, single = map(float, np.median(np.array(times), 0))
    low, middle, high = _speedup(times)
    return Speed(
        device=device_name() if device in ("", "CPU") else device,
        arithmetic=arithmetic,
        batch=len(batch),
        parent_crops_per_second=len(batch) / parent_batch,
        crops_per_second=len(batch) / whole,
        parent_latency_ms=1000 * parent_single,
        latency_ms=1000 * single,
        speedup=middle,
        low=low,
        high=high,
    )


def _times_in_turns(
    calls: tuple[Call, Call],
    batch: npt.NDArray[np.uint8],
    limit: float,
    seconds: float,
    tick: Tick,
) -> _Times:
    """Turns until the ratio is known well enough, or the time is over."""
    for call in calls:  # to warm up
        _time_both(call, batch)
    times: _Times = []
    start = time.perf_counter()
    while True:
        turn = [(0.0, 0.0)] * 2
        for place in (0, 1) if len(times) % 2 else (1, 0):  # neither is always the first
            turn[place] = _time_both(calls[place], batch)
        times.append([*turn[0], *turn[1]])
        spent = time.perf_counter() - start
        tick("speed", min(int(spent), int(seconds)), int(seconds))
        if len(times) % _FEWEST == 0 and (spent >= seconds or _settled(times, limit)):
            tick("speed", int(seconds), int(seconds))
            return times


def _time_both(call: Call, batch: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Seconds of a batch, and of one picture alone."""
    whole = _time(call, batch)
    return whole, _time(call, batch[:1]) if len(batch) > 1 else whole


def _time(call: Call, pictures: npt.NDArray[np.uint8]) -> float:
    start = time.perf_counter()
    call(pictures)
    return time.perf_counter() - start


def _settled(times: _Times, limit: float) -> bool:
    low, middle, high = _speedup(times)
    return high - low <= _NARROW * middle and not low < limit <= high


def _speedup(times: _Times) -> tuple[float, float, float]:
    """The median ratio of a turn, between the ends of its interval."""
    table = np.array(times)
    return median_interval(table[:, 0] / table[:, 2])
