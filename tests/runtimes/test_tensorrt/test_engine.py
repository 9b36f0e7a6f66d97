"""The engine's contract, on the make-believe GPU."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import MissingDependency, RuntimeFailure, UsageError
from edgeattr.core.hub import default_bundle
from edgeattr_runtimes.load import session_from_file
from edgeattr_runtimes.protocol import EngineOptions
from edgeattr_runtimes.tensorrt_engine import TensorrtEngine

Crops = npt.NDArray[np.uint8]

_BUNDLE = Bundle.read(default_bundle())
_SIZE = (_BUNDLE.input.height, _BUNDLE.input.width)
_COLUMNS = len(_BUNDLE.schema)


def _open(bundle: Bundle, precision: str = "int8", **options: Any) -> TensorrtEngine:
    variant = bundle.variants[f"tensorrt-{precision}"]
    return TensorrtEngine(bundle, variant, EngineOptions(**options))


def _crops(count: int, seed: int = 0) -> Crops:
    return np.random.default_rng(seed).integers(0, 256, (count, *_SIZE, 3), dtype=np.uint8)


def _expected(crops: Crops) -> npt.NDArray[np.float32]:
    means = crops.reshape(len(crops), -1).mean(1) if len(crops) else np.zeros(0)
    return (means[:, None] + np.arange(_COLUMNS)).astype(np.float32)


def test_each_version_runs(trt: types.ModuleType, world: Any, bundle: Bundle) -> None:
    for precision in ("fp16", "int8"):
        with _open(bundle, precision) as engine:
            first = engine.infer(_crops(3)).logits
            assert np.array_equal(engine.infer(_crops(5)).logits, _expected(_crops(5)))
            assert np.array_equal(first, _expected(_crops(3))), "not overwritten"
            about = engine.describe()
            assert (about.version, about.device) == (trt.__version__, "Make-Believe Orin")
            assert (about.precision, about.streams, about.batch) == (precision, 2, 32)
    assert world.nothing_is_held()


def test_close_gives_everything_back(
    installed: types.ModuleType, world: Any, bundle: Bundle
) -> None:
    engine = _open(bundle)
    engine.infer(_crops(1))
    assert len(world.memory) == world.host_memory == 4  # crops and logits of two streams
    assert len(world.live_contexts()) == 2
    engine.close()
    engine.close()
    assert world.nothing_is_held()
    with pytest.raises(RuntimeFailure, match="this model was closed; load it again"):
        engine.infer(_crops(1))


def test_a_run_that_fails_tells_the_error(
    installed: types.ModuleType, world: Any, bundle: Bundle
) -> None:
    with _open(bundle, streams=1) as engine:
        world.run_error = "illegal memory access"
        with pytest.raises(RuntimeFailure, match="batch of 3: illegal memory access"):
            engine.infer(_crops(3))
        assert world.active() == 0
        world.run_error = ""
        assert np.array_equal(engine.infer(_crops(3)).logits, _expected(_crops(3)))


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ({"columns": _COLUMNS + 1}, rf"logits float32 \[\?, {_COLUMNS}\]"),
        ({"dtype": "HALF"}, "the engine takes crops uint8"),
        ({"context_error": "out of memory"}, "cannot start the engine on .*: out of memory"),
        ({"context_error": "out of memory", "context_limit": 1}, r"out of memory.*fewer streams"),
        ({"allocation_limit": 0}, "CUDA failed on Make-Believe Orin: cuMemAlloc failed"),
        ({"allocation_limit": 1}, "cuMemAlloc failed"),
        ({"gpu_error": "CUDA initialization failure"}, "CUDA initialization failure"),
    ],
)
def test_a_failed_load_holds_no_memory(
    installed: types.ModuleType,
    world: Any,
    bundle: Bundle,
    trouble: dict[str, Any],
    message: str,
) -> None:
    for name, value in trouble.items():
        setattr(world, name, value)
    with pytest.raises(RuntimeFailure, match=message):
        _open(bundle)
    assert world.nothing_is_held()
    assert world.active() == 0


def test_options(installed: types.ModuleType, world: Any, bundle: Bundle) -> None:
    with _open(bundle, streams=3, batch=4, device="cuda") as engine:
        about = engine.describe()
        assert (about.streams, about.batch) == (3, 4)
        crops = _crops(11)
        assert np.array_equal(engine.infer(crops).logits, _expected(crops))
    assert sorted(size for _, size in world.batches) == [3, 4, 4]
    ((_, *shapes),) = world.named("IOptimizationProfile.set_shape")
    assert [shape[0] for shape in shapes] == [1, 4, 4]
    with pytest.raises(UsageError, match="no device 'cpu'; there are: cuda, gpu"):
        _open(bundle, device="cpu")


def test_no_gpu_is_told(installed: types.ModuleType, bundle: Bundle) -> None:
    def fail() -> None:
        raise installed.Error("cuInit failed: no CUDA-capable device is detected")

    installed.init = fail
    with pytest.raises(RuntimeFailure, match=r"no NVIDIA GPU .* no CUDA-capable .*nvidia-smi"):
        _open(bundle)


@pytest.mark.parametrize("module", ["tensorrt", "pycuda.driver"])
def test_a_missing_package_names_the_extra(
    installed: types.ModuleType, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    package = module.partition(".")[0]
    with pytest.raises(MissingDependency, match=rf'{package} .*pip install "edgeattr\[tensorrt\]"'):
        _open(bundle)


def test_an_onnx_file_of_a_detector(
    installed: types.ModuleType, world: Any, tmp_path: Path
) -> None:
    """Its engine is built for one picture, and kept under the file's checksum."""
    onnx = pytest.importorskip("onnx")
    value = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("GlobalAveragePool", ["crops"], ["logits"])],
        "small",
        [onnx.helper.make_tensor_value_info("crops", value, [1, 3, "height", "width"])],
        [onnx.helper.make_tensor_value_info("logits", value, [1, 3, 1, 1])],
    )
    path = tmp_path / "small.onnx"
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    world.columns, world.input_dtype = 3, "FLOAT"
    picture = np.random.default_rng(0).random((1, 3, 8, 6), np.float32)
    for _ in range(2):
        with session_from_file(path, engine="tensorrt") as file:
            assert [str(port) for port in file.inputs] == ["crops float32 [1, 3, ?, ?]"]
            with file.fixed({"crops": picture.shape}) as session:
                (found,) = session.run({"crops": picture})
                assert session.arithmetic == "f32"
        assert np.allclose(found, picture.mean() + np.arange(3))
    assert len(world.named("Builder.build_serialized_network")) == 1
    ((_, *shapes),) = world.named("IOptimizationProfile.set_shape")
    assert set(shapes) == {(1, 3, 8, 6)}
    assert world.nothing_is_held()


def _right(engine: TensorrtEngine, crops: Crops) -> bool:
    return np.array_equal(engine.infer(crops).logits, _expected(crops))


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
    with _open(bundle) as engine, ThreadPoolExecutor(2) as pool:
        world.meet = threading.Barrier(2, timeout=10).wait
        assert all(pool.map(lambda seed: _right(engine, _crops(1, seed)), range(10)))


def test_the_shape_is_set_where_it_changes(engine: TensorrtEngine, world: Any) -> None:
    assert all(_right(engine, _crops(size, seed)) for seed, size in enumerate([1, 1, 2, 2, 1]))
    shapes = [shape[0] for _, shape in world.named("IExecutionContext.set_input_shape")]
    assert shapes == [1, 2, 1]
