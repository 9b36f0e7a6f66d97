import time

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr_convert.speed import compare_speed


class _Sleeper:
    """Takes a known time for each picture."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.batches = seconds, set[int]()

    def __call__(self, pictures: npt.NDArray[np.uint8]) -> None:
        self.batches.add(len(pictures))
        time.sleep(self.seconds * len(pictures))


_CROPS = np.zeros((8, 4, 4, 3), np.uint8)


def test_ratio_and_interval() -> None:
    slow, fast = _Sleeper(0.004), _Sleeper(0.001)
    ticks: list[int] = []
    found = compare_speed(
        slow,
        fast,
        _CROPS,
        limit=1.2,
        seconds=20,
        tick=lambda title, done, total: ticks.append(done),
    )
    assert slow.batches == fast.batches == {1, 8}
    assert 2.5 < found.low <= found.speedup <= found.high < 4.1
    assert found.latency_ms == pytest.approx(1.2, rel=0.5)
    assert found.crops_per_second < 1000
    assert ticks[-1] == 20


def test_turns_go_on_while_the_limit_is_in_doubt() -> None:
    """Equal runtimes and a limit of 1: nothing can be decided, so time runs out."""
    start = time.perf_counter()
    found = compare_speed(_Sleeper(0.0005), _Sleeper(0.0005), _CROPS, limit=1.0, seconds=1.5)
    assert time.perf_counter() - start >= 1.4 or not found.low < 1.0 <= found.high
    start = time.perf_counter()
    compare_speed(_Sleeper(0.0005), _Sleeper(0.0005), _CROPS, limit=3.0, seconds=60)
