"""What is asked of a store, and who is meant by it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from edgeattr.errors import UsageError
from edgeattr.store.blocks import ANSWER_SHIFT, Block
from edgeattr.store.records import milliseconds
from edgeattr.store.tables import ANSWERS, P_SCALE

__all__ = ["Question", "Wanted", "question"]

_EVER = (-(2**62), 2**62)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One thing that must be so of a person."""

    attribute: str  # its name
    holds: bool = True  # answered yes, or answered no
    p: float = 0.0  # at least so probable, 0..1; of what does not hold, 1 - p counts


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question in the store's numbers."""

    since: int  # last seen at that time or later, milliseconds since 1970, UTC
    until: int  # and before that time
    streams: tuple[int, ...]  # in one of these; none are all
    ranges: tuple[tuple[int, int, int], ...]  # attribute, least and most of the answer's 16 bits

    @property
    def attributes(self) -> set[int]:
        """Whose answers have to be looked at."""
        return {attribute for attribute, _, _ in self.ranges}

    def among(self, block: Block) -> npt.NDArray[np.intp]:
        """Places in a block of those who are meant."""
        meant = block.streams > 0
        meant &= (block.times >= self.since) & (block.times < self.until)
        if self.streams:
            meant &= np.isin(block.streams, self.streams)
        for attribute, least, most in self.ranges:
            column = block.answers[attribute]
            meant &= (column >= least) & (column <= most)
        return np.flatnonzero(meant)


def question(
    wanted: Sequence[Wanted],
    since: str | datetime | None,
    until: str | datetime | None,
    streams: Sequence[str],
    numbers: Mapping[str, Mapping[str, int]],
) -> Question:
    """Put names and times into numbers.

    Args:
        wanted: all of these must be so.
        since: ISO 8601 in UTC, or a datetime; None is since ever.
        until: likewise.
        streams: names; none are all.
        numbers: those of each ``stream`` and ``attribute`` that the store has seen, by name.

    Raises:
        UsageError: a name that the store has not seen, not a time, or not a probability.
    """
    try:
        begin = _EVER[0] if since is None else milliseconds(since)
        end = _EVER[1] if until is None else milliseconds(until)
    except ValueError as error:
        raise UsageError(f"{error}; expected a time such as 2026-05-01T14:00:00Z") from error
    return Question(
        since=begin,
        until=end,
        streams=tuple(_number("stream", name, numbers["stream"]) for name in streams),
        ranges=tuple(
            (_number("attribute", wish.attribute, numbers["attribute"]), *_range(wish))
            for wish in wanted
        ),
    )


def _number(kind: str, name: str, known: Mapping[str, int]) -> int:
    if name not in known:
        listed = ", ".join(known) or "none yet"
        raise UsageError(f"no {kind} {name!r} in this store; it has: {listed}")
    return known[name]


def _range(wish: Wanted) -> tuple[int, int]:
    """Least and most of an answer's 16 bits that grant a wish."""
    if not 0 <= wish.p <= 1:
        raise UsageError(f"{wish.attribute}: p = {wish.p} is not a probability; expected 0..1")
    base = ANSWERS.index("yes" if wish.holds else "no") << ANSWER_SHIFT
    least = math.ceil(wish.p * P_SCALE - 1e-6)  # 0.8 is 8000 ten-thousandths, not one more
    return (base + least, base + P_SCALE) if wish.holds else (base, base + P_SCALE - least)
