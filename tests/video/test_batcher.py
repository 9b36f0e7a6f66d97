import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.core.errors import RuntimeFailure
from edgeattr.video.batcher import Batcher
from edgeattr_runtimes import Outputs


class _Model:
    """Answers with each crop's brightness; waits where it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.calls: list[int] = []
        self.busy = threading.Event()
        self.fails = False

    def read(self, crops: list[Image]) -> Outputs:
        self.busy.set()
        self.go.wait(10)
        self.calls.append(len(crops))
        if self.fails:
            raise RuntimeFailure("the engine broke")
        return Outputs(np.array([[crop[0, 0, 0]] for crop in crops], np.float32))


def _crops(*levels: int) -> list[Image]:
    return [np.full((4, 2, 3), level, np.uint8) for level in levels]


@pytest.fixture
def model() -> _Model:
    return _Model()


@pytest.fixture
def batcher(model: _Model) -> Iterator[Batcher]:
    with Batcher(model, batch=8, waiting=4) as opened:  # type: ignore[arg-type]
        yield opened


def _hold(model: _Model, batcher: Batcher) -> None:
    """Keep the model at work, so that what comes now waits."""
    model.go.clear()
    batcher.submit(_crops(0), [1.0], declinable=False)
    assert model.busy.wait(10)


def test_crops_of_several_streams_go_together(model: _Model, batcher: Batcher) -> None:
    _hold(model, batcher)
    answers = [
        batcher.submit(_crops(10 * k, 10 * k + 1), [1.0, 1.0], declinable=False)
        for k in range(1, 4)
    ]
    model.go.set()
    values = [[float(row.logits[0]) for row in answer.result(10) if row] for answer in answers]
    assert values == [[10, 11], [20, 21], [30, 31]]
    assert model.calls == [1, 6]


def test_a_batch_has_a_most_and_one_frame_may_exceed_it(model: _Model, batcher: Batcher) -> None:
    _hold(model, batcher)
    answers = [
        batcher.submit(_crops(*range(n)), [1.0] * n, declinable=False) for n in (5, 3, 1, 11)
    ]
    model.go.set()
    assert [len(answer.result(10)) for answer in answers] == [5, 3, 1, 11]
    assert model.calls == [1, 8, 1, 11]


def test_under_load_the_least_worthwhile_of_live_streams_are_declined(
    model: _Model, batcher: Batcher
) -> None:
    _hold(model, batcher)
    file = batcher.submit(_crops(1, 2), [0.01, 0.01], declinable=False)
    first = batcher.submit(_crops(3, 4, 5), [0.9, 0.1, 0.8], declinable=True)
    second = batcher.submit(_crops(6, 7, 8), [0.2, 0.7, 0.6], declinable=True)
    model.go.set()
    assert [row is not None for row in file.result(10)] == [True, True]
    assert [row is not None for row in first.result(10)] == [True, False, True]
    assert [row is not None for row in second.result(10)] == [False, True, True]


def test_a_failure_reaches_whoever_asked_and_no_one_else(model: _Model, batcher: Batcher) -> None:
    model.fails = True
    with pytest.raises(RuntimeFailure, match="the engine broke"):
        batcher.submit(_crops(1), [1.0], declinable=False).result(10)
    model.fails = False
    (row,) = batcher.submit(_crops(9), [1.0], declinable=False).result(10)
    assert row is not None
    assert row.logits[0] == 9


def test_closing_answers_what_waits_and_takes_no_more(model: _Model) -> None:
    batcher = Batcher(model)  # type: ignore[arg-type]
    _hold(model, batcher)
    answer = batcher.submit(_crops(5), [1.0], declinable=True)
    with ThreadPoolExecutor() as pool:
        closing = pool.submit(batcher.close)
        model.go.set()
        closing.result(10)
    assert answer.result(0)[0] is not None
    with pytest.raises(RuntimeFailure, match="was closed"):
        batcher.submit(_crops(5), [1.0], declinable=True)
    batcher.close()
