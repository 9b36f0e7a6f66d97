"""The engine's contract, on the make-believe GPU."""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import InputError, MissingDependency, RuntimeFailure, UsageError
from edgeattr_runtimes.load import session_from_file
from edgeattr_runtimes.protocol import EngineOptions
from edgeattr_runtimes.tensorrt_engine import TensorrtEngine

Crops = npt.NDArray[np.uint8]


def _open(bundle: Bundle, precision: str = "int8", **options: Any) -> TensorrtEngine:
    variant = bundle.variants[f"tensorrt-{precision}"]
    return TensorrtEngine(bundle, variant, EngineOptions(**options))


def _crops(count: int) -> Crops:
    return np.random.default_rng(count).integers(0, 256, (count, 288, 160, 3), dtype=np.uint8)


def _expected(crops: Crops) -> npt.NDArray[np.float32]:
    means = crops.reshape(len(crops), -1).mean(1) if len(crops) else np.zeros(0)
    return (means[:, None] + np.arange(35)).astype(np.float32)


def test_each_version_runs(trt: types.ModuleType, world: Any, bundle: Bundle) -> None:
    for precision in ("fp16", "int8"):
        with _open(bundle, precision) as engine:
            crops = _crops(3)
            assert np.array_equal(engine.infer(crops).logits, _expected(crops))
            assert engine.describe().version == trt.__version__
    assert world.nothing_is_held()


@pytest.mark.parametrize(
    ("count", "batches"),
    [(0, []), (1, [1]), (32, [16, 16]), (33, [16, 17]), (70, [6, 32, 32])],
)
def test_any_number_of_crops(
    installed: types.ModuleType, world: Any, bundle: Bundle, count: int, batches: list[int]
) -> None:
    with _open(bundle) as engine:
        crops = _crops(count)
        found = engine.infer(crops).logits
        assert found.dtype == np.float32
        assert np.array_equal(found, _expected(crops))
    assert sorted(size for _, size in world.batches) == batches


def test_strided_views(installed: types.ModuleType, bundle: Bundle) -> None:
    crops = _crops(8)
    with _open(bundle) as engine:
        found = engine.infer(crops[::2, :, ::-1]).logits
    assert np.allclose(found, _expected(crops[::2]))


def test_answers_are_not_overwritten(installed: types.ModuleType, bundle: Bundle) -> None:
    with _open(bundle) as engine:
        first = engine.infer(_crops(2)).logits
        before = first.copy()
        engine.infer(_crops(5))
        assert np.array_equal(first, before)


def test_wrong_input_is_named(installed: types.ModuleType, bundle: Bundle) -> None:
    with _open(bundle) as engine, pytest.raises(InputError, match=r"expected \[N, 288, 160, 3\]"):
        engine.infer(np.zeros((1, 8, 8, 3), np.uint8))


def test_threads_share_it(installed: types.ModuleType, world: Any, bundle: Bundle) -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        for count in range(seed, seed + 8):
            crops = _crops(count)
            if not np.array_equal(engine.infer(crops).logits, _expected(crops)):
                wrong.append(count)

    with _open(bundle) as engine:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert world.most == 1
    assert world.active() == 0


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
    assert engine.describe().engine == "tensorrt"


def test_describe(installed: types.ModuleType, bundle: Bundle) -> None:
    with _open(bundle, "fp16") as engine:
        about = engine.describe()
    assert (about.engine, about.version, about.device) == (
        "tensorrt", "10.9.9", "Make-Believe Orin",
    )  # fmt: skip
    assert (about.precision, about.threads) == ("fp16", 1)
    assert (about.streams, about.batch) == (2, 32)


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
        ({"columns": 36}, r"logits float32 \[\?, 35\]"),
        ({"dtype": "HALF"}, "the engine takes crops uint8"),
        ({"context_error": "out of memory"}, "cannot start the engine on .*: out of memory"),
        ({"allocation_limit": 0}, "CUDA failed on Make-Believe Orin: cuMemAlloc failed"),
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


@pytest.mark.parametrize("limit", [0, 1])
def test_a_load_that_fails_halfway_frees_what_was_made(
    installed: types.ModuleType, world: Any, bundle: Bundle, limit: int
) -> None:
    world.context_error, world.context_limit = "out of memory", limit
    with pytest.raises(RuntimeFailure, match=r"out of memory.*fewer streams"):
        _open(bundle)
    assert len(world.named("ICudaEngine.create_execution_context")) == limit + 1
    assert world.nothing_is_held()
    world.context_error, world.allocation_limit = "", limit
    with pytest.raises(RuntimeFailure, match="cuMemAlloc failed"):
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


def test_an_unknown_device_is_refused(installed: types.ModuleType, bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="no device 'cpu'; there are: cuda, gpu"):
        _open(bundle, device="cpu")


def test_no_gpu_is_told(installed: types.ModuleType, bundle: Bundle) -> None:
    def fail() -> None:
        raise installed.Error("cuInit failed: no CUDA-capable device is detected")

    installed.init = fail
    with pytest.raises(RuntimeFailure, match=r"no NVIDIA GPU .* no CUDA-capable .*nvidia-smi"):
        _open(bundle)


@pytest.mark.parametrize("package", ["tensorrt", "pycuda"])
def test_a_missing_package_names_the_extra(
    installed: types.ModuleType,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Absent(package), *sys.meta_path])
    with pytest.raises(MissingDependency, match=rf'{package} .*pip install "edgeattr\[tensorrt\]"'):
        _open(bundle)


class _Absent:
    """An importer that finds no such package, installed or not."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=self.package)


class _Broken(_Absent):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] == self.package:
            raise ImportError("libcuda.so.1: cannot open shared object file")


def test_a_broken_package_is_told(
    installed: types.ModuleType, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pycuda.driver")
    monkeypatch.delitem(sys.modules, "pycuda")
    monkeypatch.setattr(sys, "meta_path", [_Broken("pycuda"), *sys.meta_path])
    with pytest.raises(RuntimeFailure, match=r"libcuda.so.1: .*NVIDIA driver"):
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
