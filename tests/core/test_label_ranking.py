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


@pytest.mark.parametrize(
    ("options", "telling", "shown"),
    [
        (
            {},
            ["stripes", "backpack", "long_hair", "upper_body_red"],
            ["upper_body_red", "stripes", "backpack", "long_hair"],
        ),
        (
            {"show": ("no_accessory", "casual_upper"), "hide": ("backpack",)},
            ["casual_upper", "stripes", "no_accessory", "long_hair", "upper_body_red"],
            ["no_accessory", "casual_upper", "upper_body_red", "stripes", "long_hair"],
        ),
    ],
)
def test_words_of_style_and_of_absence_tell_nobody_apart_unless_they_are_asked_for(
    options: dict[str, tuple[str, ...]], telling: list[str], shown: list[str]
) -> None:
    ranking = _ranking(**options)
    assert list(filter(ranking.tells, _GROUPS)) == telling
    assert [label.name for label in ranking.labels(_everything())] == shown
    with pytest.raises(UsageError, match=r"'beard'.*casual_upper"):
        _ranking(hide=("beard",))


def test_only_a_yes_is_shown_and_in_words() -> None:
    answers = {**_everything(), "stripes": AttributeAnswer(0.9, "unknown")}
    answers["backpack"] = AttributeAnswer(0.2, "no")
    assert _ranking().texts(answers) == ("red top", "long hair")


def test_the_model_that_ships_has_base_rates() -> None:
    bundle = Bundle.read(resolve_bundle("default"))
    ranking = LabelRanking.of_bundle(bundle)
    assert set(ranking.base_rates) == set(bundle.schema.names)
    answers = {name: AttributeAnswer(0.97, "yes") for name in ("casual_upper", "hat")}
    assert [label.name for label in ranking.labels(answers)] == ["hat"]
