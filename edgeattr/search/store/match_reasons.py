"""Why a record was found: each condition of the query in words, and whether it holds for it."""

from __future__ import annotations

from dataclasses import dataclass

from edgeattr.search.query import Answered, Not, Period, WallClock
from edgeattr.search.query.conditions import Leaf


@dataclass(frozen=True, kw_only=True)
class MatchReason:
    """One condition of a query and one record."""

    text: str  # the condition, as people read it
    holds: bool  # whether it is so for that record; of ``or`` not every part need be
    attribute: str | None  # which one it asks for, as the record names it
    p: float | None  # the probability that the attribute holds, 0..1


def condition_text(leaf: Leaf, wanted: bool, clock: WallClock) -> str:
    """A condition that should hold, or else fail, with times by the clock."""
    if isinstance(leaf, Period):
        begin, end = (
            None if moment is None else f"{clock.local(moment):%Y-%m-%d %H:%M:%S}"
            for moment in (leaf.since, leaf.until)
        )
        text = f"between {begin} and {end}" if begin and end else f"since {begin}"
        text = text if begin else f"before {end}"
        return text if wanted else f"not {text}"
    if isinstance(leaf, Answered) and not wanted:
        return str(leaf).replace(" is ", " is not ", 1)
    return str(leaf if wanted else Not(leaf))


def percent(p: float) -> str:
    """A probability for people: ``93%``, ``99.7%``, ``<0.1%``."""
    if p < 0.0005 or p > 0.9995:
        return "<0.1%" if p < 0.5 else ">99.9%"
    return f"{p:.0%}" if 0.01 <= p <= 0.99 else f"{p:.1%}"
