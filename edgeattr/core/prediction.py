"""Value types: what is said about one crop, and about one person seen over time."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeattr.core.schema import AttributeSchema

__all__ = [
    "VISIBLE",
    "Answer",
    "AttributeAnswer",
    "ColourAnswer",
    "Decision",
    "Prediction",
    "TrackRecord",
]

Answer = Literal["yes", "no", "unknown"]
VISIBLE = 0.5  # probability from which a part of the body counts as in the picture
_CERTAIN = 30.0  # log-odds: a probability of 1 - 1e-13
_UNSEEN = -1e9  # margin of what cannot be seen: below any that a logit may have
_LIKELY = 0.5  # probability from which a colour within the margins is named


class AttributeAnswer(NamedTuple):
    """One attribute of one person."""

    p: float  # probability that the attribute holds, 0..1
    answer: Answer

    def to_json(self) -> dict[str, Any]:
        """``{"p": ..., "answer": ...}``, p rounded to four places."""
        return {"p": round(self.p, 4), "answer": self.answer}


class ColourAnswer(NamedTuple):
    """The colour of one thing, such as the clothes of the upper body."""

    name: str  # the likeliest colour; "unknown" where none is likely, or nothing is to be seen
    p: float  # probability of the likeliest, 0..1
    second: str  # the next likeliest colour

    def to_json(self) -> dict[str, Any]:
        """``{"name": ..., "p": ..., "second": ...}``, p rounded to four places."""
        return {"name": self.name, "p": round(self.p, 4), "second": self.second}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says of one crop."""

    attributes: Mapping[str, AttributeAnswer]  # by name; sensitive ones only if asked for
    logits: npt.NDArray[np.float32]  # [C], raw scores in schema order; NaN: not to be reported
    colours: Mapping[str, ColourAnswer] = field(default_factory=dict)  # of "upper_body", ...
    visibility: Mapping[str, float] = field(default_factory=dict)
    """By part of the body, the probability that it is in the picture; empty where the model or
    the engine does not tell it."""

    @property
    def is_person(self) -> bool:
        """Whether any part of a person is in the picture, as far as the model tells it."""
        return not self.visibility or max(self.visibility.values()) >= VISIBLE

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the attributes that are answered yes."""
        return tuple(name for name, value in self.attributes.items() if value.answer == "yes")

    def to_json(self) -> dict[str, Any]:
        """By attribute: probability and answer."""
        return {name: value.to_json() for name, value in self.attributes.items()}

    def describe(self) -> str:
        """The attributes that are answered yes and the colours, in words."""
        if not self.is_person:
            return "no person to be seen"
        colours = [
            f"{thing.replace('_', ' ')} {colour.name}"
            for thing, colour in self.colours.items()
            if colour.name != "unknown"
        ]
        return ", ".join([*self.present, *colours]) or "nothing recognised"


@dataclass(frozen=True, kw_only=True)
class TrackRecord:
    """One person, from entering the picture to leaving it."""

    stream: str  # which source
    track: int  # number of the person within the stream
    first_s: float  # seconds from the start of the stream
    last_s: float
    frames: int  # frames in which the person was detected
    crops_classified: int  # of these, how many went through the model
    box: tuple[float, float, float, float]  # x, y, width, height in pixels, where seen last
    attributes: Mapping[str, AttributeAnswer]
    colours: Mapping[str, ColourAnswer] = field(default_factory=dict)  # of "upper_body", ...
    zones: Mapping[str, float] = field(default_factory=dict)  # seconds, by zone
    lines: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Crossings "in" and "out", by line; of lines that the person crossed."""
    labels: tuple[str, ...] = ()  # what tells this person from others, in words, best first
    id: str = ""  # of this record, the same in all sinks; a UUID
    time: str | None = None  # when last seen, ISO 8601 in UTC; of live streams
    crop: str | None = None  # the file of the person's best crop, where crops are kept
    evidence: str | None = None  # the file of the sheet that shows where the model looked

    def to_json(self, kind: str = "person") -> dict[str, Any]:
        """One line of the events file.

        Args:
            kind: ``person``, or ``update`` for one who is still there.
        """
        extra = {
            "id": self.id or None,
            "time": self.time,
            "crop": self.crop,
            "evidence": self.evidence,
            "colours": {thing: c.to_json() for thing, c in self.colours.items()} or None,
            "zones": {name: round(spent, 3) for name, spent in self.zones.items()} or None,
            "lines": {name: dict(ways) for name, ways in self.lines.items()} or None,
        }
        return {
            "type": kind,
            **{name: value for name, value in extra.items() if value is not None},
            "stream": self.stream,
            "track": self.track,
            "first_s": round(self.first_s, 3),
            "last_s": round(self.last_s, 3),
            "frames": self.frames,
            "crops_classified": self.crops_classified,
            "box": [round(value, 1) for value in self.box],
            "labels": list(self.labels),
            "attributes": {name: value.to_json() for name, value in self.attributes.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Turns a model's logits into answers: the one place where that happens.

    probability = sigmoid(scale * logit + offset); yes where it exceeds the threshold, unknown
    within the margins around it. Of an exclusive set only the likeliest may be yes; the others are
    no, or unknown where there are margins. A logit that is not a number stands for what cannot be
    seen: its answer is unknown, and its probability that of a person not looked at.
    """

    schema: AttributeSchema
    thresholds: Sequence[float]  # [C], probabilities
    scale: Sequence[float]  # [C]
    offset: Sequence[float]  # [C]
    yes_margin: Sequence[float] = ()  # [C], log-odds over the threshold's for a yes; empty: 0
    no_margin: Sequence[float] = ()  # [C], log-odds below it for a no; empty: 0
    prior: Sequence[float] = ()  # [C], log-odds of a person not looked at; empty: 0
    include_sensitive: bool = False

    def probabilities(self, logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """[..., C] -> [..., C], 0..1."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.log_odds(logits))))

    def log_odds(self, logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Calibrated: [..., C] -> [..., C], within what is told apart from certainty."""
        calibrated = np.asarray(logits, np.float64) * self.scale + np.asarray(self.offset)
        return np.asarray(np.clip(calibrated, -_CERTAIN, _CERTAIN))

    @property
    def limits(self) -> npt.NDArray[np.float64]:
        """The thresholds as log-odds, [C]."""
        return np.array([limit for _, _, limit in self._plan.numbers])

    @property
    def reported(self) -> list[int]:
        """Positions of the attributes that answers are given for."""
        return [index for index, _ in self._plan.shown]

    def answers(self, logits: npt.NDArray[Any] | Sequence[float]) -> dict[str, AttributeAnswer]:
        """Answers for one crop: yes, no or unknown.

        Args:
            logits: [C]; not a number where the attribute cannot be seen.
        """
        # plain numbers: for so few, and after an engine emptied the caches, faster than NumPy
        numbers, shown, groups, margins, priors = self._plan
        log_odds: list[float] = []
        margin: list[float] = []  # over the threshold's log-odds
        unseen = _UNSEEN
        values = logits.tolist() if isinstance(logits, np.ndarray) else logits
        for logit, (scale, offset, limit), prior in zip(values, numbers, priors, strict=True):
            value = scale * logit + offset
            if value > _CERTAIN:
                value = _CERTAIN
            elif value < -_CERTAIN:
                value = -_CERTAIN
            elif value != value:
                log_odds.append(prior)
                margin.append(unseen)
                continue
            log_odds.append(value)
            margin.append(value - limit)
        _keep_the_likeliest(margin, groups)
        exp, new = math.exp, tuple.__new__  # AttributeAnswer(...) would call a function for each
        return {
            name: new(
                AttributeAnswer,
                (1.0 / (1.0 + exp(-log_odds[index])), _answer(margin[index], *margins[index])),
            )
            for index, name in shown
        }

    def answers_at(
        self, log_odds: Sequence[float], yes_margin: Sequence[float], no_margin: Sequence[float]
    ) -> dict[str, AttributeAnswer]:
        """Answers for one person whose calibrated log-odds are known: yes, no or unknown.

        Args:
            log_odds: [C].
            yes_margin: [C], 0 or more: how far log-odds must exceed the threshold's for a yes.
            no_margin: [C], 0 or more: how far they must fall short of it for a no.
        """
        numbers, shown, groups, _, _ = self._plan
        bounded = [min(max(value, -_CERTAIN), _CERTAIN) for value in log_odds]
        margin = [value - limit for value, (_, _, limit) in zip(bounded, numbers, strict=True)]
        _keep_the_likeliest(margin, groups)
        return {
            name: AttributeAnswer(
                1.0 / (1.0 + math.exp(-bounded[index])),
                _answer(margin[index], yes_margin[index], no_margin[index]),
            )
            for index, name in shown
        }

    def colours(self, answers: Mapping[str, AttributeAnswer]) -> dict[str, ColourAnswer]:
        """The colours of each thing that has some, as one answer each.

        Args:
            answers: of :meth:`answers` or :meth:`answers_at`.
        """
        names, found = self.schema.names, {}
        for thing, places in self.schema.colours.items():
            ranked = sorted((names[place] for place in places), key=lambda name: -answers[name].p)
            first = answers[ranked[0]]
            likely = first.answer == "yes" or (first.answer == "unknown" and first.p >= _LIKELY)
            # "upper_body_red" is the colour red
            colours = [name.removeprefix(f"{thing}_") for name in ranked]
            second = colours[1] if len(colours) > 1 else "unknown"
            found[thing] = ColourAnswer(colours[0] if likely else "unknown", first.p, second)
        return found

    @functools.cached_property
    def _plan(self) -> _Plan:
        places = self.schema.reported(include_sensitive=self.include_sensitive)
        names, count = self.schema.names, len(self.schema)
        return _Plan(
            [
                (float(scale), float(offset), _log_odds(float(threshold)))
                for scale, offset, threshold in zip(
                    self.scale, self.offset, self.thresholds, strict=True
                )
            ],
            [(index, names[index]) for index in places],
            self.schema.exclusive_indices(),
            list(
                zip(
                    self.yes_margin or (0.0,) * count,
                    self.no_margin or (0.0,) * count,
                    strict=True,
                )
            ),
            list(self.prior or (0.0,) * count),
        )


class _Plan(NamedTuple):
    """What a decision needs again and again, as plain numbers."""

    numbers: list[tuple[float, float, float]]  # scale, offset, the threshold's log-odds
    shown: list[tuple[int, str]]  # place and name of what is reported
    groups: tuple[tuple[int, ...], ...]  # exclusive sets
    margins: list[tuple[float, float]]  # for a yes, for a no
    priors: list[float]  # log-odds


def _keep_the_likeliest(margin: list[float], groups: tuple[tuple[int, ...], ...]) -> None:
    """Of each exclusive set, lower what lies over its threshold to that, but for the most."""
    for group in groups:
        likely = [index for index in group if margin[index] > 0]
        if len(likely) > 1:
            best = max(likely, key=margin.__getitem__)
            for index in likely:
                if index != best:
                    margin[index] = 0.0


def _log_odds(threshold: float) -> float:
    """Of a probability, no further from even than is told apart."""
    if not 0 < threshold < 1:
        return math.copysign(_CERTAIN, threshold - 0.5)
    return min(max(math.log(threshold / (1 - threshold)), -_CERTAIN), _CERTAIN)


def _answer(margin: float, yes_margin: float, no_margin: float) -> Answer:
    if margin == _UNSEEN:
        return "unknown"
    if margin > 0:
        return "yes" if margin >= yes_margin else "unknown"
    return "no" if -margin >= no_margin else "unknown"
