"""Conversion for TensorRT where it runs: on the make-believe GPU, with ONNX Runtime's answers."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import ContractNotMet
from edgeattr.core.hub import home
from edgeattr_convert.contract import Contract
from edgeattr_convert.conversion import ConversionData, convert
from edgeattr_convert.report import report_paths
from edgeattr_convert.steps import STEPS, Draft, Job, Step, steps_for
from edgeattr_runtimes.onnx_engine import open_session

pytestmark = pytest.mark.usefixtures("installed", "short_looks")

_CONTRACT = Contract(max_drop=10, min_speedup=0)

Logits = npt.NDArray[np.float32]
Spoil = Callable[[bytes, Logits], Logits]


@pytest.fixture
def spoil(world: Any) -> Callable[[Spoil], None]:
    """Engines answer as ONNX Runtime does of their ONNX file; a test may spoil that."""
    session = functools.cache(open_session)
    spoilt: list[Spoil] = []

    def answer(model: bytes, crops: npt.NDArray[np.uint8]) -> Logits:
        (logits,) = session(model).run(["logits"], {"crops": crops})
        return spoilt[-1](model, logits) if spoilt else logits

    world.answer, world.columns = answer, 35
    return spoilt.append


def _engines() -> set[str]:
    """SHA-256 of the variants that the cache has an engine of."""
    described = (home() / "engines").glob("*.engine.json")
    found = {json.loads(path.read_text())["facts"]["variant"] for path in described}
    kept = [path for path in (home() / "engines").glob("*.engine*") if path.suffix != ".lock"]
    assert len(kept) == 3 * len(found), "engine, description, log; locks stay"
    return found


def _sums(bundle: Bundle) -> set[str]:
    return {entry.sha256 for entry in bundle.variants.values() if entry.engine == "tensorrt"}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _builds(world: Any) -> int:
    return len(world.named("Builder.build_serialized_network"))


def test_proven_and_timed_on_the_gpu(
    bundle: Bundle,
    data: ConversionData,
    tmp_path: Path,
    world: Any,
    spoil: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgeattr_convert.int8.FIRST_IN_FLOAT", (3,))  # ways to try: takes long
    target = tmp_path / "trt.edgeattr"
    steps = steps_for(["tensorrt"], ["fp16", "int8"])
    made = convert(bundle, target, steps, data, _CONTRACT)
    assert list(made.variants) == ["onnx-fp32", "tensorrt-fp16", "tensorrt-int8"]
    half, whole = (made.variants[f"tensorrt-{name}"] for name in ("fp16", "int8"))
    assert 0 < half.parity <= half.tolerance == 0.1
    assert half.speed == {}, "it has no baseline"
    assert 0 < whole.parity <= whole.tolerance
    assert whole.speed["parent"] == "tensorrt-fp16"
    assert whole.speed["device"] == "Make-Believe Orin"
    assert whole.speed["low"] <= whole.speed["speedup"] <= whole.speed["high"]
    for variant in (half, whole):
        assert variant.metrics["images"] == 70
    assert _engines() == _sums(made)
    assert _builds(world) == 2
    record = json.loads(report_paths(target)[1].read_text())
    assert "cannot run here" not in json.dumps(record)
    assert world.memory == {}


def _step(bundle: Bundle, folder: Path, count: int) -> tuple[Step, list[bytes]]:
    """An INT8 step whose drafts are the float model under other names; and their contents."""
    model = onnx.load_from_string(bundle.read_file(bundle.variants["onnx-fp32"]))
    files = [folder / f"draft{index}.onnx" for index in range(count)]
    for file in files:
        model.graph.name = file.stem
        onnx.save(model, str(file))

    def drafts(job: Job) -> Iterator[Draft]:
        yield from (Draft(file=file) for file in files)

    step = dataclasses.replace(STEPS["tensorrt-int8"], drafts=drafts)
    return step, [file.read_bytes() for file in files]


def test_engines_of_drafts_that_fail_are_forgotten(
    bundle: Bundle, data: ConversionData, tmp_path: Path, world: Any, spoil: Callable[[Spoil], None]
) -> None:
    step, drafts = _step(bundle, tmp_path, 4)
    spoil(lambda model, logits: logits - 40 * (model in drafts[:2]))
    steps = [*steps_for(["tensorrt"], ["fp16"]), step]
    made = convert(bundle, tmp_path / "trt.edgeattr", steps, data, _CONTRACT)
    assert made.read_file(made.variants["tensorrt-int8"]) == drafts[2]
    assert _builds(world) == 4
    assert _engines() == _sums(made)


def test_all_engines_of_a_refused_conversion_are_forgotten(
    bundle: Bundle, data: ConversionData, tmp_path: Path, world: Any, spoil: Callable[[Spoil], None]
) -> None:
    """FP16 holds and INT8 does not: neither is written, and the old bundle stays."""
    target = tmp_path / "kept.edgeattr"
    before = bundle.write(target, {})
    files = _contents(target)
    step, drafts = _step(bundle, tmp_path, 2)
    spoil(lambda model, logits: logits - 40 * (model in drafts))
    half = steps_for(["tensorrt"], ["fp16"])
    with pytest.raises(ContractNotMet, match="tensorrt-fp16 would hold"):
        convert(before, target, [*half, step], data, _CONTRACT)
    assert _contents(target) == files
    assert _builds(world) == 3
    assert _engines() == set()

    has = convert(before, target, half, data, _CONTRACT)
    with pytest.raises(ContractNotMet):
        convert(has, target, [*half, step], data, _CONTRACT)
    assert _engines() == _sums(has) != set(), "what the old bundle has is not built again"


def test_an_interrupted_trial_leaves_no_engine(
    bundle: Bundle, tmp_path: Path, world: Any, spoil: Callable[[Spoil], None]
) -> None:
    def interrupt(model: bytes, logits: Logits) -> Logits:
        assert len(_engines()) == 1
        raise KeyboardInterrupt

    spoil(interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert(
            bundle, tmp_path / "x.edgeattr", steps_for(["tensorrt"], ["fp16"]), ConversionData()
        )
    assert _engines() == set()
    assert world.memory == {}
