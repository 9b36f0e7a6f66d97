"""Which answers are shown first: those that tell one person from another.

The information of an answer that is yes with probability p, where a share q of all people has the
attribute, is the divergence of the two (Kullback and Leibler 1951), in bits:

    p log2(p / q) + (1 - p) log2((1 - p) / (1 - q))

Colours and things carried come before words of style, since they are what people look for. What
says that something is absent ("no accessory") or of no known kind ("upper other") is not shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeattr.core.bundle import Bundle
from edgeattr.core.errors import UsageError
from edgeattr.core.prediction import AttributeAnswer
from edgeattr.core.schema import AttributeSchema

_COLOURS = "_colour"  # end of the group of a part's colours
_PARTS = {"upper_body": "top", "lower_body": "bottom"}  # as said where no garment is known
_STYLE = frozenset({"casual_lower", "casual_upper", "formal_lower", "formal_upper"})
_STYLE_WEIGHT, _FIRST_WEIGHT = 0.5, 2.0  # of the information: style words; colours, things carried
_FIRST_GROUPS = frozenset({"carrying", "head", "accessories", "accessory"})
_ABSENT = ("no_", "carrying_nothing", "nothing")
_OTHER = "_other"
_UNKNOWN_RATE = 0.2  # share of people, where a bundle does not say
_LEAST = 0.15  # bits, weighted: what says less of a person is not shown
_EPSILON = 1e-4  # no answer is surer, no attribute rarer


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """What a user wants to read of people."""

    show: tuple[str, ...] = ()  # attributes that come first, whatever they say
    hide: tuple[str, ...] = ()  # attributes that are never shown


@dataclass(frozen=True)
class Label:
    """One thing to say of a person."""

    name: str  # of the attribute
    text: str  # in words: "long hair", "red top"
    p: float  # probability, 0..1
    information: float  # bits, weighted


@dataclass(frozen=True, kw_only=True)
class LabelRanking:
    """Ranks a model's answers by how much they say."""

    schema: AttributeSchema
    base_rates: Mapping[str, float] = field(default_factory=dict)  # share of people, by name
    options: LabelOptions = LabelOptions()

    def __post_init__(self) -> None:
        unknown = sorted({*self.options.show, *self.options.hide} - set(self.schema.names))
        if unknown:
            raise UsageError(
                f"labels: no attribute {unknown[0]!r}; this model knows: "
                + ", ".join(self.schema.names)
            )

    @classmethod
    def of_bundle(cls, bundle: Bundle, options: LabelOptions = LabelOptions()) -> LabelRanking:
        """Rank by the base rates that were fitted on the bundle's validation data.

        Raises:
            UsageError: a name that the bundle does not know is to be shown or hidden.
        """
        prior = bundle.track.prior if bundle.track else ()
        rates = {
            name: 1 / (1 + math.exp(-value))
            for name, value in zip(bundle.schema.names, prior, strict=False)
        }
        return cls(schema=bundle.schema, base_rates=rates, options=options)

    def labels(self, answers: Mapping[str, AttributeAnswer]) -> list[Label]:
        """What is answered yes and says something, the most telling first."""
        shown = [
            (attribute.name, attribute.group, answers[attribute.name].p)
            for attribute in self.schema.attributes
            if attribute.name in answers
            and answers[attribute.name].answer == "yes"
            and self._is_shown(attribute.name)
        ]
        labels = [
            Label(name, _words(name, group), p, self._information(name, group, p))
            for name, group, p in shown
        ]
        labels = [it for it in labels if it.information >= _LEAST or it.name in self.options.show]
        first = {name: place for place, name in enumerate(self.options.show)}
        return sorted(labels, key=lambda it: (first.get(it.name, len(first)), -it.information))

    def texts(self, answers: Mapping[str, AttributeAnswer]) -> tuple[str, ...]:
        """The same in words: ``("red top", "backpack", "long hair")``."""
        return tuple(label.text for label in self.labels(answers))

    def words(self, name: str) -> str:
        """An attribute in words: ``upper_body_red`` is "red top"."""
        return _words(name, self.schema.attributes[self.schema.index(name)].group)

    def tells(self, name: str) -> bool:
        """Whether an attribute is worth counting first: it is shown, and no word of style."""
        return self._is_shown(name) and (name not in _STYLE or name in self.options.show)

    def _is_shown(self, name: str) -> bool:
        if name in self.options.show:
            return True
        says_nothing = name.startswith(_ABSENT) or name.endswith(_OTHER)
        return name not in self.options.hide and not says_nothing

    def _information(self, name: str, group: str, p: float) -> float:
        rate = min(max(self.base_rates.get(name, _UNKNOWN_RATE), _EPSILON), 1 - _EPSILON)
        p = min(max(p, _EPSILON), 1 - _EPSILON)
        bits = p * math.log2(p / rate) + (1 - p) * math.log2((1 - p) / (1 - rate))
        if p < rate:  # rarer in this person than in others: says little of what they wear
            bits = 0.0
        if name in _STYLE:
            return bits * _STYLE_WEIGHT
        if group in _FIRST_GROUPS or group.endswith(_COLOURS):
            return bits * _FIRST_WEIGHT
        return bits


def label_name(name: str) -> str:
    """The name that labels have for the colour of a garment, other names as they are.

    ``black_top`` is that of ``upper_body_black``, and of ``black_upper_body`` as queries have it.
    """
    for part, said in _PARTS.items():
        if name.startswith(f"{part}_"):
            return f"{name.removeprefix(f'{part}_')}_{said}"
        if name.endswith(f"_{part}"):
            return f"{name.removesuffix(f'_{part}')}_{said}"
    return name


def _words(name: str, group: str) -> str:
    """``long_hair`` is "long hair"; ``upper_body_red`` of a colour group is "red top"."""
    if group.endswith(_COLOURS):
        part = group.removesuffix(_COLOURS)
        colour = name.removeprefix(f"{part}_")
        return f"{colour} {_PARTS.get(part, part)}".replace("_", " ")
    return name.replace("_", " ")
