"""Why a record was found: each condition of the query, and whether it holds for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeattr.search.query import Answered, Chance, Has, Not, Period, WallClock
from edgeattr.search.query.conditions import Leaf
from edgeattr.search.store.event_blocks import EventNames, block_from_rows
from edgeattr.search.store.question import Question
from edgeattr.search.store.records import PersonRow

__all__ = ["Reason", "percent", "reasons"]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One condition of a query and one record."""

    text: str  # the condition, as people read it
    holds: bool  # whether it is so for that record; of ``or`` not every part need be
    attribute: str | None  # which one it asks for, as the record names it
    p: float | None  # the probability that the attribute holds, 0..1


def reasons(question: Question, records: Sequence[Mapping[str, Any]]) -> list[list[Reason]]:
    """For each record, every condition of the question in its order."""
    names = EventNames()
    rows = [PersonRow.from_event(record) for record in records]
    timed = [record.get("time") is not None for record in records]
    block = block_from_rows(rows, timed, names, 0)
    known = names.known(None)
    plan = question.plan(question.tree(), known, complete=False)
    found: list[list[Reason]] = [[] for _ in records]
    for leaf, wanted in dict.fromkeys(plan.terms()):
        text = _words(leaf, wanted, question.clock)
        so = plan.tests[leaf].mask(block, wanted).tolist()
        name = leaf.name if isinstance(leaf, Has | Answered | Chance) else None
        number = None if name is None else known.attribute(name, None)
        own = {number: known for known, number in known.attributes.items()}.get(number or 0, name)
        for record, holds, its in zip(records, so, found, strict=True):
            answer = record["attributes"].get(own)
            its.append(
                Reason(text=text, holds=holds, attribute=own, p=answer["p"] if answer else None)
            )
    return found


def _words(leaf: Leaf, wanted: bool, clock: WallClock) -> str:
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
