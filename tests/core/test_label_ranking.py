"""Which answers are shown first, and in which words."""

import pytest

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import UsageError
from edgeattr.core.hub import resolve_bundle
from edgeattr.core.label_ranking import LabelOptions, LabelRanking
from edgeattr.core.prediction import AttributeAnswer
from edgeattr.core.schema import Attribute, AttributeSchema

_GROUPS = {
    "casual_upper": "upper_body",
    "upper_other": "upper_body",
    "stripes": "upper_body",
    "no_accessory": "accessory",
    "backpack": "carrying",
    "long_hair": "hair",
    "upper_body_red": "upper_body_colour",
}
_SCHEMA = AttributeSchema(
    tuple(Attribute(name=name, group=group) for name, group in _GROUPS.items())
)
_RATES = {
    "casual_upper": 0.85, "upper_other": 0.45, "stripes": 0.02, "no_accessory": 0.75,
    "backpack": 0.2, "long_hair": 0.25, "upper_body_red": 0.06,
}  # fmt: skip


def _everything(p: float = 0.95) -> dict[str, AttributeAnswer]:
    return {name: AttributeAnswer(p, "yes") for name in _GROUPS}


def _ranking(**options: tuple[str, ...]) -> LabelRanking:
    return LabelRanking(schema=_SCHEMA, base_rates=_RATES, options=LabelOptions(**options))


def test_words_of_style_and_of_absence_do_not_tell_people_apart() -> None:
    telling = ["stripes", "backpack", "long_hair", "upper_body_red"]
    assert list(filter(_ranking().tells, _GROUPS)) == telling
    asked = _ranking(show=("no_accessory", "casual_upper"), hide=("backpack",))
    assert list(filter(asked.tells, _GROUPS)) == [
        "casual_upper", "stripes", "no_accessory", "long_hair", "upper_body_red",
    ]  # fmt: skip


def test_what_tells_people_apart_comes_first() -> None:
    names = [label.name for label in _ranking().labels(_everything())]
    assert names == ["upper_body_red", "stripes", "backpack", "long_hair"]


def test_what_says_nothing_is_left_out_unless_it_is_asked_for() -> None:
    assert "no accessory" not in _ranking().texts(_everything())
    asked = _ranking(show=("no_accessory",)).labels(_everything())
    assert asked[0].name == "no_accessory"
    hidden = _ranking(hide=("backpack",)).labels(_everything())
    assert "backpack" not in [label.name for label in hidden]


def test_only_a_yes_is_shown() -> None:
    answers = {**_everything(), "stripes": AttributeAnswer(0.9, "unknown")}
    answers["backpack"] = AttributeAnswer(0.2, "no")
    shown = {label.name for label in _ranking().labels(answers)}
    assert shown == {"upper_body_red", "long_hair"}


def test_words() -> None:
    assert _ranking().texts(_everything())[:3] == ("red top", "stripes", "backpack")


def test_a_name_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'beard'.*casual_upper"):
        _ranking(hide=("beard",))


def test_the_model_that_ships_has_base_rates() -> None:
    bundle = Bundle.read(resolve_bundle("default"))
    ranking = LabelRanking.of_bundle(bundle)
    assert set(ranking.base_rates) == set(bundle.schema.names)
    answers = {name: AttributeAnswer(0.97, "yes") for name in ("casual_upper", "hat")}
    assert [label.name for label in ranking.labels(answers)] == ["hat"]
