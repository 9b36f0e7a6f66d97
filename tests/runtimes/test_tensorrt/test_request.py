"""Batches at once, and CUDA graphs, on the make-believe GPU."""

from __future__ import annotations

import logging
import threading
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import RuntimeFailure
from edgeattr_runtimes import cuda
from edgeattr_runtimes.cuda import CudaGraph, Gpu, Memory
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
    assert world.launches == 8  # all but the first of each stream


def test_each_context_has_a_profile_that_it_may_use(
    trt: types.ModuleType, bundle: Bundle, world: Any
) -> None:
    with _open(bundle, streams=3) as engine:
        assert _right(engine, _crops(7))
    chosen = [
        number for number, _ in world.named("IExecutionContext.set_optimization_profile_async")
    ]
    alone = trt.__version__.startswith("8.5")
    assert chosen == ([0, 1, 2, 3, 4, 5] if alone else [0] * 6)
    assert len(world.named("IBuilderConfig.add_optimization_profile")) == (6 if alone else 1)


def test_contexts_share_a_profile_in_8_6(
    trt_8_6: types.ModuleType, bundle: Bundle, world: Any
) -> None:
    with _open(bundle) as engine:
        assert _right(engine, _crops(7))
    assert len(world.named("IBuilderConfig.add_optimization_profile")) == 1


def test_the_second_batch_of_a_size_is_recorded_and_later_ones_replayed(
    engine: TensorrtEngine, world: Any
) -> None:
    for seed, launches in enumerate([0, 1, 2, 3]):
        assert _right(engine, _crops(5, seed))
        assert world.launches == launches
    assert len(world.named("IExecutionContext.execute_async_v3")) == 2
    assert len(world.named("IExecutionContext.set_input_shape")) == 1


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
    assert world.launches == 7


def test_crops_from_another_place_in_the_buffer_are_moved(engine: TensorrtEngine) -> None:
    kept: list[Crops] = []
    engine.infer_filled(4, lambda first, part: kept.append(part))
    kept[0][:] = _crops(4)
    expected = engine.infer(_crops(4)[1:].copy()).logits
    kept[0][:] = _crops(4)
    assert np.array_equal(engine.infer(kept[0][1:]).logits, expected)


def test_a_call_has_two_sizes_and_both_are_replayed(engine: TensorrtEngine, world: Any) -> None:
    for seed in range(4):
        assert _right(engine, _crops(38, seed))
    assert world.launches == 6
    assert len(world.named("IExecutionContext.set_input_shape")) == 2


def test_the_size_that_rested_longest_gives_way(engine: TensorrtEngine, world: Any) -> None:
    sizes = [1, 1, 2, 2, 3, 3, 2, 1, 1]
    assert all(_right(engine, _crops(size, seed)) for seed, size in enumerate(sizes))
    shapes = [shape[0] for _, shape in world.named("IExecutionContext.set_input_shape")]
    assert shapes == [1, 2, 3, 1]
    assert world.launches == 5
    assert len(world.graphs) == 2


@pytest.mark.parametrize(
    "trouble",
    [
        {"record_error": "a loop cannot be recorded"},
        {"driver_errors": {"cuStreamBeginCapture_v2": 1}},
        {"driver_errors": {"cuStreamEndCapture": 901}},
        {"driver_errors": {"cuGraphInstantiateWithFlags": 999}},
        {"absent": ("cuGraphInstantiateWithFlags",)},
        {"absent": ("cuStreamBeginCapture_v2",)},
    ],
)
def test_what_cannot_be_recorded_runs_plainly(
    engine: TensorrtEngine, world: Any, caplog: pytest.LogCaptureFixture, trouble: dict[str, Any]
) -> None:
    for name, value in trouble.items():
        setattr(world, name, value)
    with caplog.at_level(logging.DEBUG, "edgeattr_runtimes"):
        assert all(_right(engine, _crops(2, seed)) for seed in range(8))
    assert world.launches == 0
    assert world.graphs == {}
    messages = [text for text in caplog.messages if "no CUDA graph of 2 rows" in text]
    assert len(messages) == 1, "it is not tried for ever"
    message = messages[0]
    code = {"driver_errors": "CUDA's cu", "absent": "NVIDIA's driver has no cu"}
    assert code.get(next(iter(trouble)), "CAPTURE_INVALIDATED") in message


def test_a_size_that_cannot_be_recorded_leaves_the_others_alone(
    engine: TensorrtEngine, world: Any
) -> None:
    world.driver_errors = {"cuGraphInstantiateWithFlags": 999}
    assert all(_right(engine, _crops(size, seed)) for size in (2, 4) for seed in range(5))
    world.driver_errors = {}
    assert _right(engine, _crops(2))
    assert world.launches == 0, "both sizes were given up"
    for size in (3, 5):  # in the same two contexts
        assert all(_right(engine, _crops(size, seed)) for seed in range(3))
    assert world.launches == 4


def test_a_graph_that_cannot_be_started_is_told_and_dropped(
    engine: TensorrtEngine, world: Any
) -> None:
    assert all(_right(engine, _crops(2, seed)) for seed in range(3))
    world.driver_errors = {"cuGraphLaunch": 1}
    with pytest.raises(RuntimeFailure, match="cuGraphLaunch failed: CUDA_ERROR_INVALID_VALUE"):
        engine.infer(_crops(2))
    assert world.graphs == {}
    world.driver_errors = {}
    assert all(_right(engine, _crops(2, seed)) for seed in range(3))


def test_a_driver_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "_LIBRARY", "libnone.so.1")
    with pytest.raises(RuntimeFailure, match=r"libnone\.so\.1.*Install the NVIDIA driver"):
        CudaGraph(1, lambda: None)


def test_close_after_replays_gives_everything_back(
    installed: types.ModuleType, bundle: Bundle, world: Any
) -> None:
    engine = _open(bundle)
    assert all(_right(engine, _crops(9, seed)) for seed in range(6))
    assert world.graphs
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join()
    assert world.nothing_is_held()


def _context(trt: types.ModuleType, world: Any, memory: Memory) -> Any:
    made: Any = trt
    logger = made.ILogger()
    logger.log = lambda severity, text: None
    plan = f"plan {made.__version__} 1 0 logits".encode()
    context = made.Runtime(logger).deserialize_cuda_engine(plan).create_execution_context()
    context.set_tensor_address("crops", memory.addresses["crops"])
    context.set_tensor_address("logits", memory.addresses["logits"])
    context.set_input_shape("crops", (1, 8, 8, 3))
    return context


def _misuse(memory: Memory, context: Any, step: str) -> None:
    def run() -> None:
        assert context.execute_async_v3(memory.stream)

    if step != "record at once":
        run()
        memory.wait()
    graph = CudaGraph(memory.stream, run)
    if step == "free the memory":
        memory.free()
    elif step == "change the shape":
        context.set_input_shape("crops", (1, 8, 8, 3))
    else:
        context = None
    graph.launch()
    memory.wait()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("record at once", "recorded without a run"),
        ("change the shape", "the context was changed"),
        ("release the context", "the context was released"),
        ("free the memory", "a graph uses this memory"),
    ],
)
def test_the_make_believe_gpu_knows_the_order_of_calls(
    trt: types.ModuleType, world: Any, step: str, message: str
) -> None:
    gpu = Gpu()
    with gpu.active():
        memory = Memory(
            gpu,
            {"crops": ((1, 8, 8, 3), "uint8")},
            {"logits": ((1, world.columns), "float32")},
        )
        made = [_context(trt, world, memory)]
        with pytest.raises(AssertionError, match=message):
            _misuse(memory, made.pop(), step)
