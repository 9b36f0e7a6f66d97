"""Calls that go on by themselves: order, errors, cancelling, closing, and no waiting workers."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait

import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.errors import InputError, RuntimeFailure, UsageError
from edgeattr_runtimes import EngineOptions, Outputs, available, open_variant, remedy
from edgeattr_runtimes.engine import Engine, InferRequest
from edgeattr_runtimes.submitted import Arrays

Crops = npt.NDArray[np.uint8]
_SOON = 30.0  # seconds; nothing here takes one


class _Slow(InferRequest):
    """Answers with the crops' first pixels, when it is let; counts what runs."""

    def __init__(self, gate: threading.Event, seen: list[int]) -> None:
        self.buffer: Crops = np.zeros((2, 4, 4, 3), np.uint8)
        self._gate, self._seen = gate, seen

    def run(self, crops: Crops) -> Arrays:
        self._seen.append(int(crops[0, 0, 0, 0]))
        assert self._gate.wait(_SOON)
        return [crops[:, 0, 0, :1].astype(np.float32)]

    def close(self) -> None:
        self._seen.append(-1)


@pytest.fixture
def gate() -> threading.Event:
    """Batches run when it is set."""
    return threading.Event()


@pytest.fixture
def seen() -> list[int]:
    """The first pixel of each batch that began; -1: a request was closed."""
    return []


@pytest.fixture
def engine(
    small_bundle: Bundle, gate: threading.Event, seen: list[int]
) -> Iterator[Callable[[int], Engine]]:
    """Engines with so many streams of two crops each."""
    opened: list[Engine] = []

    def make(streams: int) -> Engine:
        bundle = _for_tiny_crops(small_bundle)
        variant = next(iter(bundle.variants.values()))
        requests = [_Slow(gate, seen) for _ in range(streams)]
        opened.append(
            Engine(bundle, variant, requests, engine="x", version="1", device="CPU", threads=1)
        )
        return opened[-1]

    yield make
    gate.set()
    for each in opened:
        each.close()


def _for_tiny_crops(bundle: Bundle) -> Bundle:
    size = dataclasses.replace(bundle.input, height=4, width=4)
    return dataclasses.replace(bundle, input=size)


def _numbered(count: int, first: int = 0) -> Crops:
    numbers = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (count, 4, 4, 3))


def _numbers(outputs: Outputs) -> list[int]:
    return [int(value) for value in outputs.logits[:, 0]]


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_many_calls_in_order(
    engine: Callable[[int], Engine], gate: threading.Event, streams: int
) -> None:
    gate.set()
    runtime = engine(streams)
    futures = [runtime.submit(_numbered(count, count)) for count in range(1, 60)]
    together = runtime.infer(_numbered(9))
    assert _numbers(together) == list(range(9))
    for count, future in enumerate(futures, 1):
        assert _numbers(future.result(_SOON)) == list(range(count, 2 * count))


def test_the_caller_does_not_wait_and_no_worker_does(
    engine: Callable[[int], Engine], gate: threading.Event, seen: list[int]
) -> None:
    """With one stream: a call of many batches leaves its worker to others in between."""
    runtime = engine(1)
    long, short = runtime.submit(_numbered(20)), runtime.submit(_numbered(1, 100))
    assert not long.done()
    gate.set()
    assert _numbers(short.result(_SOON)) == [100]
    assert _numbers(long.result(_SOON)) == list(range(20))
    assert seen.index(100) == 1, "calls take turns"


def test_a_call_that_waits_can_be_cancelled(
    engine: Callable[[int], Engine], gate: threading.Event, seen: list[int]
) -> None:
    runtime = engine(1)
    first, second = runtime.submit(_numbered(4)), runtime.submit(_numbered(4, 50))
    while not first.running():
        time.sleep(0.001)
    assert not first.cancel()
    assert second.cancel()
    gate.set()
    assert _numbers(first.result(_SOON)) == [0, 1, 2, 3]
    assert _numbers(runtime.infer(_numbered(1, 70))) == [70]
    assert not [number for number in seen if 50 <= number < 70]


def test_what_goes_wrong_comes_out_of_the_future_once_nothing_runs(
    engine: Callable[[int], Engine], gate: threading.Event, seen: list[int]
) -> None:
    runtime = engine(2)

    def fill(first: int, out: Crops) -> None:
        if first == 2:
            raise InputError(f"crop {first} is bad")
        out[:] = first

    future = runtime.submit_filled(40, fill)
    time.sleep(0.05)
    assert not future.done(), "the other batch runs still"
    gate.set()
    with pytest.raises(InputError, match="crop 2 is bad"):
        future.result(_SOON)
    assert len(seen) <= 2
    assert _numbers(runtime.infer(_numbered(3))) == [0, 1, 2]


@pytest.mark.parametrize("streams", [1, 2])
def test_closing_waits_for_all_that_was_submitted(
    engine: Callable[[int], Engine], gate: threading.Event, seen: list[int], streams: int
) -> None:
    runtime = engine(streams)
    futures = [runtime.submit(_numbered(11, 20 * call)) for call in range(5)]
    closing = threading.Thread(target=runtime.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    with pytest.raises(RuntimeFailure, match="closed"):
        runtime.submit(_numbered(1))
    gate.set()
    closing.join(_SOON)
    assert all(future.done() for future in futures)
    for call, future in enumerate(futures):
        assert _numbers(future.result()) == list(range(20 * call, 20 * call + 11))
    assert seen[-streams:] == [-1] * streams
    with pytest.raises(RuntimeFailure, match="closed"):
        runtime.submit(_numbered(1))


def test_threads_submit_at_once(engine: Callable[[int], Engine], gate: threading.Event) -> None:
    runtime, wrong = engine(2), list[int]()

    def work(number: int) -> None:
        futures = [runtime.submit(_numbered(number + 1, call)) for call in range(20)]
        for call, future in enumerate(futures):
            if _numbers(future.result(_SOON)) != list(range(call, call + number + 1)):
                wrong.append(call)

    gate.set()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_single_crop_has_all_threads_while_nothing_else_runs(
    small_bundle: Bundle, name: str
) -> None:
    if name not in available():
        pytest.skip(remedy(name))
    variant: Variant = small_bundle.variant("onnx-fp32")
    golden = small_bundle.golden
    with open_variant(small_bundle, variant, name, EngineOptions(streams=2, threads=2)) as runtime:
        assert isinstance(runtime, Engine)
        assert runtime._alone
        used: list[int] = []
        run = runtime._alone.run
        runtime._alone.run = lambda crops: used.append(len(crops)) or run(crops)  # type: ignore
        first = runtime.submit(golden.crops[:1]).result(_SOON)
        assert used == [1]
        wait([runtime.submit(golden.crops) for _ in range(3)], _SOON)
        assert used == [1]
    assert np.abs(first.logits - golden.logits[:1]).max() < 1e-3


@pytest.fixture(scope="module")
def model() -> Iterator[edgeattr.AttributeModel]:
    with edgeattr.load(streams=1) as opened:
        yield opened


def test_a_model_submits_crops_of_any_size(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    images = [crops[0], crops[1][::2], crops[2][:, :, 0], crops[3] / 255.0]
    predictions, logits = model.submit(images), model.submit_logits(images)
    assert model.submit([]).result(_SOON) == []
    expected = model.predict(images)
    found = predictions.result(_SOON)
    assert [each.attributes for each in found] == [each.attributes for each in expected]
    assert np.array_equal(logits.result(_SOON), model.logits(images))
    bad = model.submit([crops[0], np.zeros((2, 2, 7), np.uint8)])
    with pytest.raises(InputError, match="crop 1 has shape"):
        bad.result(_SOON)


def test_a_model_passes_a_cancellation_on(
    model: edgeattr.AttributeModel, crops: npt.NDArray[np.uint8]
) -> None:
    busy = model.submit([crops[0]] * 40)
    waits: Future[list[edgeattr.Prediction]] = model.submit([crops[0]] * 40)
    assert waits.cancel()
    with pytest.raises(CancelledError):
        waits.result()
    assert len(busy.result(_SOON)) == 40
    assert len(model.predict([crops[0]])) == 1


def test_an_engine_without_it_says_so(small_bundle: Bundle) -> None:
    class Plain:
        def describe(self) -> Plain:
            return self

        engine = "plain"

    model = edgeattr.AttributeModel(small_bundle, Plain())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="plain cannot submit calls; use predict"):
        model.submit([])
