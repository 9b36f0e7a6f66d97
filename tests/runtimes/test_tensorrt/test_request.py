"""Batches at once on the make-believe GPU."""

from __future__ import annotations

import threading
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr_runtimes.protocol import EngineOptions
from edgeattr_runtimes.tensorrt_engine import TensorrtEngine

Crops = npt.NDArray[np.uint8]


def _open(bundle: Bundle, **options: Any) -> TensorrtEngine:
    return TensorrtEngine(bundle, bundle.variants["tensorrt-int8"], EngineOptions(**options))


def _crops(count: int, seed: int = 0) -> Crops:
    return np.random.default_rng(seed).integers(0, 256, (count, 288, 160, 3), dtype=np.uint8)


def _right(engine: TensorrtEngine, crops: Crops) -> bool:
    means = crops.reshape(len(crops), -1).mean(1)
    expected = (means[:, None] + np.arange(35)).astype(np.float32)
    return np.array_equal(engine.infer(crops).logits, expected)


@pytest.fixture
def engine(installed: types.ModuleType, bundle: Bundle, world: Any) -> Iterator[TensorrtEngine]:
    """With one stream, so that it is known what runs where."""
    with _open(bundle, streams=1) as opened:
        yield opened
    assert world.nothing_is_held()


def test_batches_of_a_call_run_at_once(
    installed: types.ModuleType, bundle: Bundle, world: Any
) -> None:
    with _open(bundle) as engine:
        world.meet = threading.Barrier(2, timeout=10).wait
        assert _right(engine, _crops(20))
    assert len({stream for stream, _ in world.batches}) == 2


def test_calls_run_at_once_each_in_its_own_memory(
    installed: types.ModuleType, bundle: Bundle, world: Any
) -> None:
    right: list[bool] = []

    def work(seed: int) -> None:
        right.extend(_right(engine, _crops(1, seed + step)) for step in range(5))

    with _open(bundle) as engine:
        world.meet = threading.Barrier(2, timeout=10).wait
        threads = [threading.Thread(target=work, args=(seed,)) for seed in (0, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert right == [True] * 10


def test_each_context_has_a_profile_that_it_may_use(
    trt: types.ModuleType, bundle: Bundle, world: Any
) -> None:
    with _open(bundle, streams=3) as engine:
        assert _right(engine, _crops(7))
    chosen = [
        number for number, _ in world.named("IExecutionContext.set_optimization_profile_async")
    ]
    alone = trt.__version__.startswith("8.5")
    assert chosen == ([0, 1, 2] if alone else [0] * 3)
    assert len(world.named("IBuilderConfig.add_optimization_profile")) == (3 if alone else 1)


def test_contexts_share_a_profile_in_8_6(
    trt_8_6: types.ModuleType, bundle: Bundle, world: Any
) -> None:
    with _open(bundle) as engine:
        assert _right(engine, _crops(7))
    assert len(world.named("IBuilderConfig.add_optimization_profile")) == 1


def test_filled_crops_are_copied_from_where_they_lie(engine: TensorrtEngine, world: Any) -> None:
    def fill(first: int, part: Crops) -> None:
        part[:] = crops[first : first + len(part)]
        places.add(part.ctypes.data)

    places: set[int] = set()
    for seed in range(4):
        crops = _crops(3, seed)
        found = engine.infer_filled(3, fill).logits
        assert np.array_equal(found, engine.infer(crops).logits)
    assert len(places) == 1


def test_crops_from_another_place_in_the_buffer_are_moved(engine: TensorrtEngine) -> None:
    kept: list[Crops] = []
    engine.infer_filled(4, lambda first, part: kept.append(part))
    kept[0][:] = _crops(4)
    expected = engine.infer(_crops(4)[1:].copy()).logits
    kept[0][:] = _crops(4)
    assert np.array_equal(engine.infer(kept[0][1:]).logits, expected)


def test_the_shape_is_set_where_it_changes(engine: TensorrtEngine, world: Any) -> None:
    assert all(_right(engine, _crops(size, seed)) for seed, size in enumerate([1, 1, 2, 2, 1]))
    shapes = [shape[0] for _, shape in world.named("IExecutionContext.set_input_shape")]
    assert shapes == [1, 2, 1]
