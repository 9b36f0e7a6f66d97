"""How streams are processed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgeattr.core.errors import UsageError
from edgeattr.core.label_ranking import LabelOptions
from edgeattr.video.schedule import Schedule

ColourBy = Literal["track", "alert", "zone"]
"""What gives a box its colour: the person's number; whether they raised an alert; the zone that
they are in, which is drawn in it too. Who raised an alert is red by all three."""


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """How streams are processed."""

    detect_every: int = 1  # people are looked for in one frame of so many, at least
    detect_at_most_every: int = 6  # and in one of so many where a live stream loses frames
    crops_per_second: float | None = None  # of video, that one stream may have classified
    updates_every: float | None = None  # seconds between records of people who are still there
    blur_faces: bool = False  # in annotated frames
    appearance: bool = True  # whether people are also told apart by what they look like
    colour_by: ColourBy = "track"  # what gives boxes their colours, in annotated frames
    labels: LabelOptions = field(default_factory=LabelOptions)  # of people, in annotated frames
    frames_waiting: int = 4  # of one stream, before its source waits or drops the oldest
    frames_ahead: int = 4  # of one stream, in which people are looked for at the same time
    frames_late: int = 4  # after which a crop's answer counts: fixed, so that runs repeat
    workers: int | None = None  # frames of all streams looked at at once; as many as cores
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        for name in ("detect_every", "detect_at_most_every", "frames_waiting", "frames_ahead"):
            _check(name, getattr(self, name), at_least=1)
        _check("frames_late", self.frames_late, at_least=0)
        for name in ("crops_per_second", "updates_every"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} is {value!r}; expected a number above 0")
        if self.workers is not None:
            _check("workers", self.workers, at_least=1)


def _check(name: str, value: object, *, at_least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise UsageError(f"{name} is {value!r}; expected a whole number from {at_least} up")
