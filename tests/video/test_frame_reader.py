import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from edgeattr.core.errors import InputError
from edgeattr.video.frame_reader import FrameReader
from edgeattr.video.sources import Frame
from edgeattr.video.status import StreamState

from ..waiting import until


@dataclass
class DrawnSource:
    """Frames at once, until there are no more or somebody stops it."""

    count: int
    live: bool = False
    endless: bool = False
    fails_at: int | None = None
    name: str = "drawn"
    rate: float = 10.0
    size: tuple[int, int] | None = (8, 8)
    announced_frames: int | None = None
    state: StreamState = "running"
    error: str | None = None
    reconnects: int = 0
    damaged: int = 0
    shortfall: str | None = None
    closed: bool = False
    pause: float = 0.0  # seconds between two frames
    given: threading.Event = field(default_factory=threading.Event)
    _stopped: bool = False

    def frames(self) -> Iterator[Frame]:
        for index in range(self.count):
            if self._stopped:
                return
            if index == self.fails_at:
                raise InputError("broke")
            time.sleep(self.pause)
            yield Frame(np.zeros((8, 8, 3), np.uint8), index, index / self.rate)
        self.given.set()

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        self.closed = True


def test_a_file_waits_and_nothing_is_lost() -> None:
    source = DrawnSource(50)
    feed = FrameReader(source, size=3)
    feed.start()
    indices = []
    while (frame := feed.get(5)) is not None:
        assert feed.waiting <= 3
        indices.append(frame.index)
    assert indices == list(range(50))
    assert (feed.frames_in, feed.dropped, feed.ended) == (50, 0, True)
    assert source.closed


def test_a_live_source_drops_the_oldest_and_counts_them() -> None:
    source = DrawnSource(50, live=True)
    feed = FrameReader(source, size=3)
    feed.start()
    assert source.given.wait(5)
    feed.join(5)
    indices = []
    while (frame := feed.get(5)) is not None:
        indices.append(frame.index)
    assert indices == [47, 48, 49]
    assert (feed.frames_in, feed.dropped) == (50, 47)


def test_stopping_counts_what_waited_and_frees_a_reader_that_waits() -> None:
    feed = FrameReader(DrawnSource(50), size=3)
    feed.start()
    assert feed.get(5) is not None
    until(lambda: feed.waiting == 3)
    feed.stop()
    feed.join(5)
    assert feed.get(5) is None
    assert feed.ended
    assert feed.frames_in == 1 + feed.dropped


def test_a_limit_is_kept_to_the_frame() -> None:
    feed = FrameReader(DrawnSource(50), size=3, limit=7)
    feed.start()
    count = 0
    while feed.get(5) is not None:
        count += 1
    assert count == feed.frames_in == 7


def test_what_ended_the_reading_is_kept() -> None:
    feed = FrameReader(DrawnSource(50, fails_at=2), size=3)
    feed.start()
    assert [feed.get(5) is not None for _ in range(3)] == [True, True, False]
    assert isinstance(feed.failure, InputError)


@pytest.mark.parametrize("live", [True, False])
def test_nothing_comes_in_time(live: bool) -> None:
    feed = FrameReader(DrawnSource(1, live=live), size=3)
    start = time.monotonic()
    assert feed.get(0.05) is None
    assert not feed.ended
    assert time.monotonic() - start >= 0.05
    assert feed.last_frame_s is None
