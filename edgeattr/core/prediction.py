"""Value types: what is said about one crop, and about one person seen over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Answer = Literal["yes", "no", "unknown"]
VISIBLE = 0.5  # probability from which a part of the body counts as in the picture


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
