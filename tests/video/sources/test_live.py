import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.video.sources import live
from edgeattr.video.sources.frame import StreamLost
from edgeattr.video.sources.live import LiveSource, StreamClock


class _Connection:
    """Gives pictures of one brightness at its own times, then fails."""

    rate = 10.0
    finite = False
    damaged = 1

    def __init__(self, times: list[float | None], level: int = 0) -> None:
        self._times, self._level = times, level
        self.closed = False

    def pictures(self) -> Iterator[tuple[Image, float | None]]:
        for time in self._times:
            yield np.full((8, 8 + self._level, 3), self._level, np.uint8), time
        raise StreamLost("broke")

    def close(self) -> None:
        self.closed = True


def _source(connect: Callable[[], Any], name: str = "door", wait_s: float = 0.001) -> LiveSource:
    return LiveSource(name, connect, waits_s=(wait_s,))


def test_it_comes_back_and_its_times_go_on() -> None:
    connections = [_Connection([100.0, 100.1, 100.2]), _Connection([7.0, 7.1], level=1)]
    waiting = iter(connections)
    source = _source(lambda: next(waiting))
    frames = list(itertools.islice(source.frames(), 5))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.image.shape[1] for frame in frames] == [8, 8, 8, 9, 9]
    seconds = [frame.seconds for frame in frames]
    assert seconds[:3] == pytest.approx([0.0, 0.1, 0.2], abs=0.01)
    assert seconds == sorted(seconds)
    assert (source.reconnects, source.damaged, source.state) == (1, 2, "running")
    assert connections[0].closed


def test_times_that_cannot_be_are_not_believed() -> None:
    source = _source(lambda: _Connection([50.0, 50.1, 9000.0, 3.0, None, 50.2]))
    seconds = [frame.seconds for frame in itertools.islice(source.frames(), 6)]
    assert seconds == sorted(seconds)
    assert seconds[-1] < 2.0


def test_a_clock_that_drifts_is_pulled_and_does_not_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    clock = StreamClock()
    seconds = []
    for frame in range(20_000):  # 2,000 s of a camera whose clock is slow by 0.2 %
        now[0] = frame * 0.1
        seconds.append(clock.seconds(frame * 0.1 * 0.998, first=frame == 0))
    steps = np.diff(seconds)
    assert steps.min() > 0.09
    assert steps.max() < 0.11
    assert abs(seconds[-1] - now[0]) < 0.1


def test_frames_that_come_in_a_burst_keep_their_own_times(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    clock = StreamClock()
    seconds = []
    for frame in range(100):
        now[0] = max(frame * 0.1, 8.0 if frame >= 50 else 0.0)  # nothing for 3 s, then all
        seconds.append(clock.seconds(frame * 0.1, first=frame == 0))
    assert np.diff(seconds) == pytest.approx(np.full(99, 0.1), abs=0.002)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("burst", [0.0, 5.0])
@pytest.mark.parametrize("every", [0, 40], ids=["steady", "stamped hours away now and then"])
def test_wall_clock_through_odd_recorders(
    monkeypatch: pytest.MonkeyPatch, speed: float, burst: float, every: int
) -> None:
    """Stamps at another speed than ours, after a burst of buffered frames, some hours away."""
    now = [1000.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    clock, errors = StreamClock(), []
    for frame in range(1500):  # a minute of 25 frames/s
        taken = frame / 25
        now[0] = 1000.0 + max(0.0, taken - burst)
        told = -90.0 + taken * (speed if taken > burst else 1.0)
        if every and frame % every == every - 1:
            told += (-1) ** frame * 7200.0
        seconds = clock.seconds(told, first=frame == 0)
        errors.append(seconds - (now[0] - 1000.0))
    assert np.abs(errors[int(25 * 3 * burst) :]).max() < 1.01


def test_trouble_is_told_once_without_passwords(caplog: pytest.LogCaptureFixture) -> None:
    tries = itertools.count()

    def connect() -> _Connection:
        number = next(tries)
        if number < 20:
            raise StreamLost("cannot be opened (Connection refused)")
        if number == 20:
            raise AttributeError("no codec context")  # a decoder that breaks is tried again
        return _Connection([0.0, 0.1])

    source = _source(connect, "rtsp://camera/1")
    assert source.state == "connecting"
    with caplog.at_level(logging.INFO, "edgeattr.sources"):
        frames = source.frames()
        assert next(frames).index == 0
        assert source.error is None
        lost = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert lost[0].getMessage() == (
            "rtsp://camera/1 cannot be opened (Connection refused); trying again"
        )
        assert len(lost) == 2
    frames.close()


def test_a_source_that_has_an_end_ends() -> None:
    class _Clip(_Connection):
        finite = True

        def pictures(self) -> Iterator[tuple[Image, float | None]]:
            yield from itertools.islice(super().pictures(), len(self._times))

    source = _source(lambda: _Clip([0.0, 0.1]))
    assert len(list(source.frames())) == 2
    assert source.state == "ended"


def test_stopping_ends_the_waiting() -> None:
    def connect() -> _Connection:
        source.stop()
        raise StreamLost("is not there")

    source = _source(connect, wait_s=3600.0)
    assert list(source.frames()) == []
