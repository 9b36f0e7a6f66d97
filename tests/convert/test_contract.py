import dataclasses

import pytest

from edgeattr_convert import contract as module
from edgeattr_convert.contract import Contract, accuracy_holds, judged
from edgeattr_convert.validation_result import AttributeChange, LayerError, Speed, ValidationResult

_SPEED = Speed(
    device="a processor", batch=8, parent_crops_per_second=100.0, crops_per_second=150.0,
    parent_latency_ms=10.0, latency_ms=8.0, speedup=1.5, low=1.4, high=1.6,
)  # fmt: skip
_RESULT = ValidationResult(
    variant="onnx-int8", parent="onnx-fp32", bytes=1, parent_bytes=4, parity=0.2, tolerance=0.5,
    before={"mA": 85.0, "f1": 86.0}, after={"mA": 84.6, "f1": 86.1}, flips=0.4, speed=_SPEED,
)  # fmt: skip


def test_met() -> None:
    result = judged(_RESULT, Contract())
    assert result.met
    assert result.advice == ()
    assert "mA -0.40, F1 +0.10 of 0.5 points allowed" in result.verdict
    assert "0.40 % of decisions flip" in result.verdict
    assert "1.50 times as fast (1.40 to 1.60; at least 1.2 is required)" in result.verdict


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({"after": {"mA": 84.5, "f1": 86.0}}, True),
        ({"after": {"mA": 84.4999, "f1": 86.0}}, False),
        ({"after": {"mA": 85.0, "f1": 85.4}}, False),
        ({"before": {"mA": None, "f1": 86.0}, "after": {"mA": None, "f1": 86.0}}, True),
        ({"before": {}, "after": {}}, True),
        ({"parity": 0.51}, False),
        ({"parity": float("nan")}, False),
    ],
)
def test_accuracy(change: dict[str, object], holds: bool) -> None:
    result = dataclasses.replace(_RESULT, **change)  # type: ignore[arg-type]
    assert accuracy_holds(result, Contract()) is holds
    assert judged(result, Contract()).met is holds


def test_advice_names_layers_and_attributes() -> None:
    result = dataclasses.replace(
        _RESULT,
        after={"mA": 80.0, "f1": 86.0},
        layers=tuple(LayerError(layer=f"conv{n}", error=n, in_float=False) for n in range(6)),
        attributes=(
            AttributeChange(name="hat", before=90.0, after=70.0, flips=9.0),
            AttributeChange(name="jeans", before=90.0, after=90.0, flips=0.0),
            AttributeChange(name="muffler", before=None, after=None, flips=0.0),
        ),
    )
    text = "\n".join(judged(result, Contract()).advice)
    assert "layers that hurt most: conv5, conv4, conv3" in text
    assert "attributes that lose most: hat (-20.0)" in text
    assert "jeans" not in text
    assert "--max-drop" in text


@pytest.mark.parametrize("instructions", [True, False])
def test_speed_counts_by_the_low_end_and_for_int8_alone(
    instructions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "has_int8_instructions", lambda: instructions)
    slow = dataclasses.replace(_RESULT, speed=dataclasses.replace(_SPEED, low=1.19))
    result = judged(slow, Contract())
    assert not result.met
    text = "\n".join(result.advice)
    assert "onnx-int8 is not 1.2 times as fast as onnx-fp32 on a processor" in text
    assert "--min-speedup 1.19" in text
    assert ("VNNI" in text) is not instructions
    assert judged(slow, Contract(min_speedup=0)).met
    half = judged(dataclasses.replace(slow, variant="onnx-fp16"), Contract())
    assert half.met
    assert "1.50 times as fast (1.19 to 1.60; no speedup is required)" in half.verdict
    assert judged(dataclasses.replace(slow, speed=None), Contract()).met
