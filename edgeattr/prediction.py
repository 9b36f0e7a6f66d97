"""Value types: what is said about one crop, and about one person seen over time."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeattr.schema import AttributeSchema

__all__ = ["Answer", "AttributeAnswer", "Decision", "Prediction", "TrackRecord"]

Answer = Literal["yes", "no", "unknown"]
_CERTAIN = 30.0  # log-odds: a probability of 1 - 1e-13


@dataclass(frozen=True)
class AttributeAnswer:
    """One attribute of one person."""

    p: float  # probability that the attribute holds, 0..1
    answer: Answer

    def to_json(self) -> dict[str, Any]:
        """``{"p": ..., "answer": ...}``, p rounded to four places."""
        return {"p": round(self.p, 4), "answer": self.answer}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says of one crop."""

    attributes: Mapping[str, AttributeAnswer]  # by name; sensitive ones only if asked for
    logits: npt.NDArray[np.float32]  # [C], raw scores of every attribute, in schema order

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the attributes that are answered yes."""
        return tuple(name for name, value in self.attributes.items() if value.answer == "yes")

    def to_json(self) -> dict[str, Any]:
        """By attribute: probability and answer."""
        return {name: value.to_json() for name, value in self.attributes.items()}


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

    def to_json(self) -> dict[str, Any]:
        """One line of the events file."""
        return {
            "type": "person",
            "stream": self.stream,
            "track": self.track,
            "first_s": round(self.first_s, 3),
            "last_s": round(self.last_s, 3),
            "frames": self.frames,
            "crops_classified": self.crops_classified,
            "box": [round(value, 1) for value in self.box],
            "attributes": {name: value.to_json() for name, value in self.attributes.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Turns a model's logits into answers: the one place where that happens.

    probability = sigmoid(scale * logit + offset); yes where it exceeds the threshold. Of an
    exclusive set only the likeliest may be yes; the others are no, or unknown within the band.
    """

    schema: AttributeSchema
    thresholds: Sequence[float]  # [C], probabilities
    scale: Sequence[float]  # [C]
    offset: Sequence[float]  # [C]
    include_sensitive: bool = False

    def probabilities(self, logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """[..., C] -> [..., C], 0..1."""
        calibrated = np.asarray(logits, np.float64) * self.scale + np.asarray(self.offset)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(calibrated, -_CERTAIN, _CERTAIN))))

    def answers(
        self, logits: npt.ArrayLike, *, unknown_band: float = 0.0
    ) -> dict[str, AttributeAnswer]:
        """Answers for one person.

        Args:
            logits: [C].
            unknown_band: answers whose log-odds lie within this of the threshold's are unknown.
        """
        # plain numbers: for so few, and after an engine emptied the caches, faster than NumPy
        scales, offsets, limits, shown, groups = self._plan
        log_odds = [
            min(max(scale * logit + offset, -_CERTAIN), _CERTAIN)
            for logit, scale, offset in zip(
                np.asarray(logits).tolist(), scales, offsets, strict=True
            )
        ]
        margin = list(map(operator.sub, log_odds, limits))
        for group in groups:
            best = max(group, key=margin.__getitem__)
            for index in group:
                if index != best and margin[index] > 0:
                    margin[index] = 0.0 if unknown_band else -1e-9
        return {
            name: AttributeAnswer(
                1.0 / (1.0 + math.exp(-log_odds[index])), _answer(margin[index], unknown_band)
            )
            for index, name in shown
        }

    @functools.cached_property
    def _plan(self) -> _Plan:
        places = self.schema.reported(include_sensitive=self.include_sensitive)
        names = self.schema.names
        return _Plan(
            [float(value) for value in self.scale],
            [float(value) for value in self.offset],
            [_log_odds(float(value)) for value in self.thresholds],
            [(index, names[index]) for index in places],
            self.schema.exclusive_indices(),
        )


class _Plan(NamedTuple):
    """What a decision needs again and again, as plain numbers."""

    scales: list[float]
    offsets: list[float]
    limits: list[float]  # log-odds of the thresholds
    shown: list[tuple[int, str]]  # place and name of what is reported
    groups: tuple[tuple[int, ...], ...]  # exclusive sets


def _log_odds(threshold: float) -> float:
    """Of a probability, no further from even than is told apart."""
    if not 0 < threshold < 1:
        return math.copysign(_CERTAIN, threshold - 0.5)
    return min(max(math.log(threshold / (1 - threshold)), -_CERTAIN), _CERTAIN)


def _answer(margin: float, band: float) -> Answer:
    if abs(margin) < band:
        return "unknown"
    return "yes" if margin > 0 else "no"
