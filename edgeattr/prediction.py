"""Value types: what is said about one crop, and about one person seen over time."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgeattr.schema import AttributeSchema

__all__ = ["Answer", "AttributeAnswer", "Decision", "Prediction", "TrackRecord"]

Answer = Literal["yes", "no", "unknown"]
_ANSWERS: tuple[Answer, ...] = ("no", "yes", "unknown")


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
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(calibrated, -60, 60))))

    def answers(
        self, logits: npt.ArrayLike, *, unknown_band: float = 0.0
    ) -> dict[str, AttributeAnswer]:
        """Answers for one person.

        Args:
            logits: [C].
            unknown_band: answers whose log-odds lie within this of the threshold's are unknown.
        """
        return self.answers_of_all(np.asarray(logits)[None], unknown_band=unknown_band)[0]

    def answers_of_all(
        self, logits: npt.ArrayLike, *, unknown_band: float = 0.0
    ) -> list[dict[str, AttributeAnswer]]:
        """Answers for N people at once: logits [N, C]; otherwise as :meth:`answers`."""
        p = self.probabilities(logits)
        margin = _log_odds(p) - self._threshold_log_odds
        for group in self._exclusive:
            inside = margin[:, group]
            others = np.arange(len(group)) != inside.argmax(1)[:, None]
            margin[:, group] = np.where(
                others & (inside > 0), 0.0 if unknown_band else -1e-9, inside
            )
        shown, names = self._shown
        decided = np.where(np.abs(margin) < unknown_band, 2, (margin > 0).astype(int))
        return [
            {
                name: AttributeAnswer(probability, _ANSWERS[place])
                for name, probability, place in zip(names, row, places, strict=True)
            }
            for row, places in zip(p[:, shown].tolist(), decided[:, shown].tolist(), strict=True)
        ]

    @functools.cached_property
    def _threshold_log_odds(self) -> npt.NDArray[np.float64]:
        return _log_odds(np.asarray(self.thresholds, np.float64))

    @functools.cached_property
    def _exclusive(self) -> tuple[list[int], ...]:
        return tuple(list(group) for group in self.schema.exclusive_indices())

    @functools.cached_property
    def _shown(self) -> tuple[list[int], list[str]]:
        """Places and names of the attributes that are reported."""
        shown = list(self.schema.reported(include_sensitive=self.include_sensitive))
        return shown, [self.schema.names[index] for index in shown]


def _log_odds(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(clipped / (1 - clipped)))
