"""What cannot be seen is unknown, in a prediction and over a track; colours are one answer."""

from __future__ import annotations

import numpy as np
import pytest

from edgeattr.core.decision import Decision
from edgeattr.core.posterior import TrackFusion, TrackPosterior
from edgeattr.core.schema import PARTS, Attribute, AttributeSchema
from edgeattr.model import predictions, visible_logits
from edgeattr_runtimes import Outputs

_SCHEMA = AttributeSchema(
    (
        Attribute(name="male", group="gender", sensitive=True),
        Attribute(name="backpack", group="carrying"),
        Attribute(name="trousers", group="lower_body"),
        Attribute(name="hat", group="accessory"),
        Attribute(name="upper_body_red", group="upper_body_colour"),
        Attribute(name="upper_body_orange", group="upper_body_colour"),
        Attribute(name="upper_body_blue", group="upper_body_colour"),
        Attribute(name="sneakers", group="footwear"),
    )
)
_COUNT = len(_SCHEMA)
_DECISION = Decision(
    schema=_SCHEMA,
    thresholds=(0.5,) * _COUNT,
    scale=(1.0,) * _COUNT,
    offset=(0.0,) * _COUNT,
    prior=(-1.0,) * _COUNT,
)
_LOGITS = np.array([[3, -3, 4, -4, 2, 1, -2, 5]], np.float32)


def _outputs(*visibility: float) -> Outputs:
    assert len(visibility) == len(PARTS)
    return Outputs(_LOGITS, np.array([visibility], np.float32))


def test_parts_and_colours_follow_from_the_groups() -> None:
    assert _SCHEMA.parts == (None, None, 2, 0, 1, 1, 1, 3)
    assert _SCHEMA.colours == {"upper_body": (4, 5, 6)}


def test_what_is_below_the_edge_is_unknown() -> None:
    """A crop that is cut at the waist says nothing of trousers and shoes."""
    (found,) = predictions(_SCHEMA, _DECISION, _outputs(0.9, 0.9, 0.2, 0.1))
    answers = {name: value.answer for name, value in found.attributes.items()}
    assert answers["trousers"] == answers["sneakers"] == "unknown"
    assert (answers["backpack"], answers["hat"], answers["upper_body_red"]) == ("no", "no", "yes")
    assert found.attributes["trousers"].p == pytest.approx(1 / (1 + np.exp(1)))  # as of nobody
    assert found.visibility["feet"] == pytest.approx(0.1)
    assert found.is_person
    assert np.isnan(found.logits[0])  # sensitive
    assert found.logits[2] == 4


def test_a_picture_of_nobody() -> None:
    (found,) = predictions(_SCHEMA, _DECISION, _outputs(0.1, 0.2, 0.3, 0.1))
    assert not found.is_person
    assert {value.answer for value in found.attributes.values()} == {"unknown"}
    assert found.present == ()
    assert found.colours["upper_body"].name == "unknown"


def test_without_visibility_everything_is_answered() -> None:
    outputs = Outputs(_LOGITS)
    assert visible_logits(outputs, _SCHEMA) is outputs.logits
    (found,) = predictions(_SCHEMA, _DECISION, outputs)
    assert found.is_person
    assert "unknown" not in {value.answer for value in found.attributes.values()}


def test_a_thing_has_one_colour_and_a_second() -> None:
    (found,) = predictions(_SCHEMA, _DECISION, _outputs(1, 1, 1, 1))
    colour = found.colours["upper_body"]
    assert (colour.name, colour.second) == ("red", "orange")
    assert colour.to_json() == {"name": "red", "p": 0.8808, "second": "orange"}


def test_margins_make_a_prediction_unknown() -> None:
    careful = Decision(
        schema=_SCHEMA,
        thresholds=_DECISION.thresholds,
        scale=_DECISION.scale,
        offset=_DECISION.offset,
        yes_margin=(2.5,) * _COUNT,
        no_margin=(3.5,) * _COUNT,
    )
    (found,) = predictions(_SCHEMA, careful, Outputs(_LOGITS))
    answers = {name: value.answer for name, value in found.attributes.items()}
    assert answers == {
        "backpack": "unknown", "trousers": "yes", "hat": "no", "upper_body_red": "unknown",
        "upper_body_orange": "unknown", "upper_body_blue": "unknown", "sneakers": "yes",
    }  # fmt: skip
    assert found.colours["upper_body"].name == "red"  # the likeliest, though not sure


def test_a_track_answers_from_the_crops_that_show_it() -> None:
    fusion = TrackFusion(yes_margin=(0.4,) * _COUNT, no_margin=(0.4,) * _COUNT)
    posterior = TrackPosterior(_DECISION, fusion)
    cut = visible_logits(_outputs(0.9, 0.9, 0.1, 0.1), _SCHEMA)[0]
    for _ in range(3):
        posterior.add(cut, 1.0)
    answers = posterior.answers()
    assert answers["trousers"].answer == answers["sneakers"].answer == "unknown"
    assert answers["upper_body_red"].answer == "yes"
    assert np.isfinite(posterior.log_odds).all()
    assert 0 <= posterior.changing <= 1
    posterior.add(_LOGITS[0], 1.0)  # one crop with legs counts as one, not as a quarter
    assert posterior.answers()["trousers"].answer == "yes"
    assert posterior.log_odds[2] == pytest.approx(4.0)
    assert posterior.colours()["upper_body"].name == "red"
