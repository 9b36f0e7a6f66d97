"""Conversion as a whole, on a small model and drawn data."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

import edgeattr
from edgeattr.core.bundle import Bundle
from edgeattr.core.bundle_format import Variant
from edgeattr.core.errors import ContractNotMet, UsageError
from edgeattr_convert import conversion
from edgeattr_convert.contract import Contract
from edgeattr_convert.conversion import ConversionData, convert
from edgeattr_convert.report import report_paths
from edgeattr_convert.steps import STEPS, Draft, Job, Step, steps_for
from edgeattr_convert.validation_result import LayerError
from edgeattr_runtimes import EngineOptions, Outputs, Runtime
from edgeattr_train.data.annotations import AttributeDataset

pytestmark = pytest.mark.usefixtures("short_looks")

ANY = Contract(max_drop=100, min_speedup=0)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_step_names_what_it_needs() -> None:
    for name, step in STEPS.items():
        assert step.makes == name
        assert step.requires == "onnx-fp32"
        assert step.baseline in (None, "onnx-fp32", *STEPS)
    order = list(STEPS)
    assert order.index("tensorrt-fp16") < order.index("tensorrt-int8"), "it is the baseline"
    assert [step.makes for step in steps_for(["openvino"], ["int8", "fp16"])] == [
        "openvino-fp16",
        "openvino-int8",
    ]
    with pytest.raises(UsageError, match="--to coreml: there are onnx, openvino, tensorrt"):
        steps_for(["coreml"], ["fp16"])


def test_fp16_without_data_goes_by_parity(bundle: Bundle, tmp_path: Path) -> None:
    target = tmp_path / "half.edgeattr"
    steps = steps_for(["onnx", "openvino", "tensorrt"], ["fp16"])
    made = convert(bundle, target, steps, ConversionData())
    assert list(made.variants) == ["onnx-fp32", "onnx-fp16", "openvino-fp16", "tensorrt-fp16"]
    full = len(made.read_file(made.variants["onnx-fp32"]))
    for name in ("onnx-fp16", "openvino-fp16", "tensorrt-fp16"):
        variant = made.variants[name]
        assert len(made.read_file(variant)) < 0.6 * full
        assert 0 < variant.parity <= variant.tolerance == 0.1
        assert "logits off by" in variant.verdict
        assert variant.metrics == {}
    assert made.variants["onnx-fp16"].speed["low"] <= made.variants["onnx-fp16"].speed["speedup"]
    assert made.variants["tensorrt-fp16"].speed == {}
    html, figures = report_paths(target)
    record = json.loads(figures.read_text())
    assert record["met"]
    assert [result["variant"] for result in record["proofs"]] == list(made.variants)[1:]
    assert "TensorRT cannot run here" in " ".join(record["proofs"][2]["notes"])
    assert "The contract is met" in html.read_text()
    for engine in ("onnxruntime", "openvino"):
        with edgeattr.load(made.path, runtime=engine, precision="fp16") as model:
            assert model.describe().precision == "fp16"


def test_half_precision_that_does_not_hold_makes_room_for_float32(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a processor with bfloat16 an FP16 variant is validated in it first."""
    pytest.importorskip("openvino")
    asked, said = [], []
    real = conversion.open_variant

    def opened(trial: Bundle, variant: Variant, engine: str, *options: EngineOptions) -> Runtime:
        runtime = real(trial, variant, engine, *options)
        if variant.precision == "fp16":
            asked.append(options[0].half)
            if options[0].half is None:
                infer = runtime.infer
                monkeypatch.setattr(
                    runtime, "infer", lambda crops: Outputs(infer(crops).logits + 1)
                )
        return runtime

    monkeypatch.setattr(conversion, "has_half_precision", lambda engine: True)
    monkeypatch.setattr(conversion, "open_variant", opened)
    steps = steps_for(["openvino"], ["fp16"])
    made = convert(bundle, tmp_path / "half.edgeattr", steps, ConversionData(), tell=said.append)
    assert asked == [None, False]
    assert any("openvino-fp16 in half precision: logits off by" in text for text in said)
    assert made.variants["openvino-fp16"].parity < 0.1
    assert made.variants["openvino-fp16"].speed["arithmetic"] == "f32"


def test_what_is_made_for_tensorrt(bundle: Bundle, data: ConversionData, tmp_path: Path) -> None:
    steps = steps_for(["tensorrt"], ["fp16", "int8"])
    made = convert(bundle, tmp_path / "trt.edgeattr", steps, data, ANY)
    for name in ("tensorrt-fp16", "tensorrt-int8"):
        model = onnx.load_from_string(made.read_file(made.variants[name]))
        assert (model.opset_import[0].version, model.ir_version) == (17, 8)
        assert [output.name for output in model.graph.output] == ["logits"]
        assert model.graph.node[0].op_type == "Cast", "TensorRT takes bytes only into a cast"
        made_of = {output for node in model.graph.node for output in node.output}
        read = {entry for node in model.graph.node for entry in node.input}
        assert made_of <= read | {"logits"}, "nothing is left that only masks need"
    zeros = [
        onnx.numpy_helper.to_array(entry)
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
        for entry in model.graph.initializer
        if entry.name == node.input[2]
    ]
    assert zeros
    assert all(not zero.any() and zero.dtype == np.int8 for zero in zeros), "symmetric"


def test_int8(bundle: Bundle, data: ConversionData, tmp_path: Path) -> None:
    said: list[str] = []
    ticks: dict[str, int] = {}

    def tick(title: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        ticks[title] = done

    target = tmp_path / "int8.edgeattr"
    steps = steps_for(["onnx", "openvino"], ["int8"])
    made = convert(bundle, target, steps, data, ANY, tell=said.append, tick=tick)
    variant = made.variants["onnx-int8"]
    graph = onnx.load_from_string(made.read_file(variant)).graph
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in graph.node}
    floats = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT}
    assert len([node for node in graph.node if node.op_type == "Softmax"]) == 2
    assert any("scores.6.weight" in name for name in floats), "the heads stay in float"
    quantized = {name: _quantized_convolutions(made, name) for name in made.variants}
    assert set(quantized["onnx-int8"]) > set(quantized["openvino-int8"]) > set()
    assert {groups > 1 for groups in quantized["onnx-int8"].values()} == {False, True}
    assert set(quantized["openvino-int8"].values()) == {1}, "depthwise ones are faster in float"
    for name in ("onnx-int8", "openvino-int8"):
        entry = made.variants[name]
        assert entry.calibration["images"] == 110
        assert len(entry.calibration["sha256"]) == 64
        assert {"mA", "f1", "flips_percent"} <= set(entry.metrics)
        assert {"speedup", "low", "high", "device"} <= set(entry.speed)
        assert "decisions flip" in entry.verdict
        with edgeattr.load(made.path, runtime=name.split("-")[0] + "runtime" * (name[1] == "n"),
                           precision="int8") as model:  # fmt: skip
            found = model.logits(list(made.golden.crops))
        assert np.abs(found - made.golden.logits).max() <= entry.tolerance
    assert made.variants["onnx-fp32"].metrics["images"] == 70
    assert "sensitivity of the layers" in ticks
    assert "accuracy of onnx-int8" in ticks
    record = json.loads(report_paths(target)[1].read_text())
    result = record["proofs"][0]
    assert len(result["layers"]) > 40
    assert len(result["attributes"]) == 35
    assert result["tried"].keys() >= {"ranges of all that was seen", "bias correction"}


def _quantized_convolutions(bundle: Bundle, name: str) -> dict[str, int]:
    """Groups of each convolution whose input is dequantized, by name."""
    nodes = onnx.load_from_string(bundle.read_file(bundle.variants[name])).graph.node
    codes = {out for node in nodes if node.op_type == "DequantizeLinear" for out in node.output}
    return {
        node.name: next((entry.i for entry in node.attribute if entry.name == "group"), 1)
        for node in nodes
        if node.op_type == "Conv" and node.input[0] in codes
    }


@pytest.mark.parametrize("holds", [True, False])
def test_int8_must_hold_without_half_precision_too(
    bundle: Bundle,
    data: ConversionData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    holds: bool,
) -> None:
    """On a processor with bfloat16; others compute the same file in float32."""
    asked: list[bool | None] = []
    real = conversion.open_variant

    def opened(trial: Bundle, variant: Variant, engine: str, *options: EngineOptions) -> Runtime:
        runtime = real(trial, variant, engine)
        if variant.precision == "int8":
            asked.append(options[0].half)
            if options[0].half is False and not holds:
                infer = runtime.infer
                monkeypatch.setattr(
                    runtime, "infer", lambda crops: Outputs(infer(crops).logits * np.nan)
                )
        return runtime

    monkeypatch.setattr(conversion, "has_half_precision", lambda engine: True)
    monkeypatch.setattr(conversion, "open_variant", opened)
    step = _step(_shifted(bundle, tmp_path / "a.onnx", 0.0))
    contract = Contract(max_drop=0.5, min_speedup=0)
    with contextlib.nullcontext() if holds else pytest.raises(ContractNotMet):
        made = convert(bundle, tmp_path / "x.edgeattr", [step], data, contract)
        assert "onnx-int8" in made.variants
    assert asked[:2] == [None, False]
    assert len(asked) == 2 or not holds


def test_int8_without_data_is_refused(
    bundle: Bundle, tmp_path: Path, val: AttributeDataset
) -> None:
    for data in (ConversionData(), ConversionData(held=val)):
        with pytest.raises(UsageError, match=r"onnx-int8: INT8 needs images.*--calib"):
            convert(bundle, tmp_path / "x.edgeattr", steps_for(["onnx"], ["int8"]), data)
    assert not list(tmp_path.iterdir())


def _shifted(bundle: Bundle, file: Path, by: float) -> Path:
    """The float model with a constant added to every logit."""
    model = onnx.load_from_string(bundle.read_file(bundle.variants["onnx-fp32"]))
    for entry in model.graph.initializer:
        if entry.name.endswith("primary.bias"):  # one of three scores that are averaged
            moved = onnx.numpy_helper.to_array(entry) + np.float32(3 * by)
            entry.CopyFrom(onnx.numpy_helper.from_array(moved, entry.name))
    onnx.save(model, str(file))
    return file


def _step(
    *files: Path, layers: tuple[LayerError, ...] = (), asked: list[Path] | None = None
) -> Step:
    """An INT8 step whose drafts are these files, one after the other."""

    def drafts(job: Job) -> Iterator[Draft]:
        for file in files:
            if asked is not None:
                asked.append(file)
            yield Draft(file=file, layers=layers)

    return dataclasses.replace(STEPS["onnx-int8"], drafts=drafts)


def test_what_loses_too_much_is_not_written(
    bundle: Bundle, data: ConversionData, tmp_path: Path
) -> None:
    """All or nothing: FP16 holds, INT8 says no to everything, and the old bundle stays."""
    target = tmp_path / "kept.edgeattr"
    before = bundle.write(target, {})
    files = _contents(target)
    layers = (
        LayerError(layer="good", error=0.01, in_float=False),
        LayerError(layer="wild", error=9.0, in_float=True),
    )
    no = _shifted(bundle, tmp_path / "no.onnx", -40.0)
    steps = [*steps_for(["onnx"], ["fp16"]), _step(no, layers=layers)]
    with pytest.raises(ContractNotMet) as refused:
        convert(before, target, steps, data, Contract(max_drop=0.5, min_speedup=0))
    text = str(refused.value)
    assert "nothing was written" in text
    assert "layers that hurt most: wild, good" in text
    assert "onnx-fp16 would hold" in text
    assert _contents(target) == files
    html, figures = report_paths(target)
    assert str(html) in text
    assert "The contract is not met" in html.read_text()
    record = json.loads(figures.read_text())
    assert not record["met"]
    assert not record["written"]
    assert record["proofs"][1]["after"]["f1"] == 0


def test_what_is_too_slow_is_not_written(
    bundle: Bundle, data: ConversionData, tmp_path: Path
) -> None:
    same = _shifted(bundle, tmp_path / "same.onnx", 0.0)
    contract = Contract(max_drop=0.5, min_speedup=1000)
    with pytest.raises(ContractNotMet, match=r"onnx-int8 is not 1000 times as fast as onnx-fp32"):
        convert(bundle, tmp_path / "slow.edgeattr", [_step(same)], data, contract)
    assert not (tmp_path / "slow.edgeattr").exists()


def test_repair_stops_at_the_first_draft_that_holds(
    bundle: Bundle, data: ConversionData, tmp_path: Path
) -> None:
    no, never = (_shifted(bundle, tmp_path / f"{k}.onnx", -40.0 - k) for k in (0, 1))
    same, unneeded = (_shifted(bundle, tmp_path / f"good{k}.onnx", 0.001 * k) for k in (0, 1))
    asked: list[Path] = []
    steps = [_step(no, never, same, unneeded, asked=asked)]
    made = convert(bundle, tmp_path / "repaired.edgeattr", steps, data, Contract(min_speedup=0))
    assert asked == [no, never, same]
    assert made.read_file(made.variants["onnx-int8"]) == same.read_bytes()
    assert made.variants["onnx-int8"].metrics["flips_percent"] == 0


def test_logits_that_are_no_numbers_are_refused(
    bundle: Bundle, data: ConversionData, tmp_path: Path
) -> None:
    broken = _shifted(bundle, tmp_path / "nan.onnx", float("nan"))
    with pytest.raises(ContractNotMet, match="logits off by at most nan"):
        convert(bundle, tmp_path / "nan.edgeattr", [_step(broken)], data)
    assert not (tmp_path / "nan.edgeattr").exists()
