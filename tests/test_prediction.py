import numpy as np
import pytest

from edgeattr.prediction import Decision
from edgeattr.schema import Attribute, AttributeSchema

_SCHEMA = AttributeSchema(
    (
        Attribute(name="young", group="age", sensitive=True),
        Attribute(name="old", group="age", sensitive=True),
        Attribute(name="hat", group="accessory"),
    ),
    exclusive=(("young", "old"),),
)


def _decision(**changes: object) -> Decision:
    values = {"thresholds": (0.5,) * 3, "scale": (1.0,) * 3, "offset": (0.0,) * 3, **changes}
    return Decision(schema=_SCHEMA, **values)  # type: ignore[arg-type]


def test_sensitive_attributes_are_hidden_unless_asked_for() -> None:
    logits = [3.0, -3.0, 3.0]
    assert set(_decision().answers(logits)) == {"hat"}
    assert set(_decision(include_sensitive=True).answers(logits)) == {"young", "old", "hat"}


def test_of_an_exclusive_set_only_the_likeliest_is_yes() -> None:
    answers = _decision(include_sensitive=True).answers([1.0, 2.0, -1.0])
    assert [answers[name].answer for name in ("young", "old", "hat")] == ["no", "yes", "no"]


def test_thresholds_and_calibration_enter() -> None:
    assert _decision(thresholds=(0.5, 0.5, 0.9)).answers([0, 0, 2.0])["hat"].answer == "no"
    shifted = _decision(scale=(1.0, 1.0, 2.0), offset=(0.0, 0.0, 1.0))
    assert shifted.answers([0, 0, 0.5])["hat"].p == pytest.approx(1 / (1 + np.exp(-2)))


def test_within_the_band_the_answer_is_unknown() -> None:
    answer = _decision().answers([0, 0, 0.3], unknown_band=0.4)["hat"]
    assert answer.answer == "unknown"
    assert answer.to_json() == {"p": 0.5744, "answer": "unknown"}


def test_extreme_logits_stay_probabilities() -> None:
    p = _decision().probabilities([1e9, -1e9, 0.0])
    assert p.tolist() == pytest.approx([1.0, 0.0, 0.5])
