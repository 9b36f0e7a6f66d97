"""Logits to answers: yes, no or unknown."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeattr.core.prediction import Answer, AttributeAnswer, ColourAnswer
from edgeattr.core.schema import AttributeSchema

_CERTAIN = 30.0  # log-odds: a probability of 1 - 1e-13
_UNSEEN = -1e9  # margin of what cannot be seen: below any that a logit may have
_LIKELY = 0.5  # probability from which a colour within the margins is named


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
