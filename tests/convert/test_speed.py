import time

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr_convert.speed import compare_speed


class _Call:
    """Takes a known time for each picture, give or take some, by a clock of its own."""

    now = 0.0

    def __init__(self, seconds: float) -> None:
        self.seconds, self.batches = seconds, set[int]()
        self.draw = np.random.default_rng(round(1e6 * seconds))

    def __call__(self, pictures: npt.NDArray[np.uint8]) -> None:
        self.batches.add(len(pictures))
        _Call.now += self.seconds * len(pictures) * self.draw.uniform(0.95, 1.05)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: _Call.now)


_CROPS = np.zeros((8, 4, 4, 3), np.uint8)


def test_ratio_and_interval() -> None:
    slow, fast = _Call(0.004), _Call(0.001)
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
    assert 3.8 < found.low <= found.speedup <= found.high < 4.2
    assert found.latency_ms == pytest.approx(1.0, rel=0.1)
    assert found.crops_per_second == pytest.approx(1000, rel=0.1)
    assert ticks[-1] == 20


@pytest.mark.parametrize(("limit", "enough"), [(1.0, False), (3.0, True)])
def test_turns_go_on_while_the_limit_is_in_doubt(limit: float, enough: bool) -> None:
    """Two that are equally fast: whether they are 1 times as fast cannot be decided."""
    start = _Call.now
    call = _Call(0.0005)
    found = compare_speed(call, call, _CROPS, limit=limit, seconds=1.5)
    assert (_Call.now - start < 1.4) == enough
    assert found.low < 1.0 < found.high
