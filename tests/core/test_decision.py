import pickle

import numpy as np
import pytest

from edgeattr.core.decision import Decision
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr.model import predictions
from edgeattr_runtimes import Outputs

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


def test_a_prediction_holds_no_sensitive_score_unless_asked_for() -> None:
    logits = np.array([[1.234, -2.345, 3.456], [0, 0, 0]], np.float32)
    prediction = predictions(_SCHEMA, _decision(), Outputs(logits))[0]
    assert np.isnan(prediction.logits[:2]).all()
    assert prediction.logits[2] == np.float32(3.456)
    kept = pickle.dumps(prediction)
    assert np.float32(3.456).tobytes() in kept
    assert not any(np.float32(value).tobytes() in kept for value in (1.234, -2.345))
    assert prediction.logits.base is not None  # a view: of scores that hold no more than it
    assert np.isnan(prediction.logits.base[:, :2]).all()
    asked = predictions(_SCHEMA, _decision(include_sensitive=True), Outputs(logits))[0]
    assert np.array_equal(asked.logits, logits[0])
    assert set(asked.attributes) == {"young", "old", "hat"}


def test_of_an_exclusive_set_only_the_likeliest_is_yes() -> None:
    answers = _decision(include_sensitive=True).answers([1.0, 2.0, -1.0])
    assert [answers[name].answer for name in ("young", "old", "hat")] == ["no", "yes", "no"]


def test_thresholds_and_calibration_enter() -> None:
    assert _decision(thresholds=(0.5, 0.5, 0.9)).answers([0, 0, 2.0])["hat"].answer == "no"
    shifted = _decision(scale=(1.0, 1.0, 2.0), offset=(0.0, 0.0, 1.0))
    assert shifted.answers([0, 0, 0.5])["hat"].p == pytest.approx(1 / (1 + np.exp(-2)))


def test_extreme_logits_stay_probabilities() -> None:
    p = _decision().probabilities([1e9, -1e9, 0.0])
    assert p.tolist() == pytest.approx([1.0, 0.0, 0.5])


def test_within_the_margins_the_answer_is_unknown() -> None:
    decision, log_odds = _decision(thresholds=(0.5, 0.5, 0.6)), [0.0, 0.0, 0.0]
    limit = np.log(0.6 / 0.4)
    for excess, expected in (
        (0.81, "yes"), (0.8, "yes"), (0.79, "unknown"), (1e-6, "unknown"), (0.0, "unknown"),
        (-0.29, "unknown"), (-0.3, "no"), (-0.5, "no"),
    ):  # fmt: skip
        log_odds[2] = limit + excess
        answer = decision.answers_at(log_odds, [0.0, 0.0, 0.8 - 1e-9], [0.0, 0.0, 0.3 - 1e-9])[
            "hat"
        ]
        assert answer.answer == expected, excess
    assert answer.to_json() == {"p": 0.4764, "answer": "no"}


def test_answers_at_the_log_odds_are_the_answers() -> None:
    rng, none = np.random.default_rng(0), [0.0] * 3
    decision = _decision(
        thresholds=(0.2, 0.6, 0.4), scale=(0.8, 1.1, 1.0), offset=(0.1, 0.0, -0.3),
        include_sensitive=True,
    )  # fmt: skip
    assert decision.limits == pytest.approx(np.log([0.2 / 0.8, 0.6 / 0.4, 0.4 / 0.6]))
    assert decision.reported == [0, 1, 2]
    for logits in rng.normal(0, 3, (50, 3)):
        log_odds = decision.log_odds(logits)
        assert decision.answers_at(log_odds.tolist(), none, none) == decision.answers(logits)
        assert decision.probabilities(logits) == pytest.approx(1 / (1 + np.exp(-log_odds)))


def test_of_an_exclusive_set_the_second_is_unknown_within_margins() -> None:
    answers = _decision(include_sensitive=True).answers_at([2.0, 1.0, 0.0], [0.5] * 3, [0.5] * 3)
    assert (answers["young"].answer, answers["old"].answer) == ("yes", "unknown")
