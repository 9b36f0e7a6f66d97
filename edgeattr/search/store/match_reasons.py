"""Why a record was found: each condition of the query, and whether it holds for it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeattr.search.query import Answered, Has, Not, Period, Probability, WallClock
from edgeattr.search.query.conditions import Leaf, terms
from edgeattr.search.store.conditions_sql import ConditionsSql
from edgeattr.search.store.events_reader import temporary_table
from edgeattr.search.store.people_reader import clock_offset
from edgeattr.search.store.records import PersonRow, answer_of
from edgeattr.search.store.search_request import SearchRequest
from edgeattr.search.store.table import Catalog

_TOGETHER = 500  # conditions; a SELECT has 2000 columns at most


@dataclass(frozen=True, kw_only=True)
class MatchReason:
    """One condition of a query and one record."""

    text: str  # the condition, as people read it
    holds: bool  # whether it is so for that record; of ``or`` not every part need be
    attribute: str | None  # which one it asks for, as the record names it
    p: float | None  # the probability that the attribute holds, 0..1


def reasons(
    question: SearchRequest, records: Sequence[Mapping[str, Any]]
) -> list[list[MatchReason]]:
    """For each record, every condition of the question in its order."""
    found: list[list[MatchReason]] = [[] for _ in records]
    tree = question.tree()
    asked = list(dict.fromkeys(terms(tree))) if tree is not None and records else []
    if not asked:
        return found
    rows = [PersonRow.from_event({**record, "id": None}) for record in records]
    catalog = Catalog()
    with contextlib.closing(temporary_table(rows, catalog)) as table:
        known = catalog.known("answer")
        sql = ConditionsSql(
            catalog, known, min_p=question.min_p, complete=False,
            offset=lambda: clock_offset(table, question.clock),
        )  # fmt: skip
        for start in range(0, len(asked), _TOGETHER):
            some = asked[start : start + _TOGETHER]
            columns = ", ".join(f"{sql.condition(leaf, wanted)} IS TRUE" for leaf, wanted in some)
            answers = table.execute(f"SELECT {columns} FROM people ORDER BY person", sql.values)
            for record, row, its in zip(records, answers, found, strict=True):
                for (leaf, wanted), holds in zip(some, row, strict=True):
                    name = leaf.name if isinstance(leaf, Has | Answered | Probability) else None
                    own = name and (known.attribute(name, None) or name)
                    answer = answer_of(record, own) if own else None
                    its.append(
                        MatchReason(
                            text=_words(leaf, wanted, question.clock), holds=bool(holds),
                            attribute=own, p=answer[1] if answer else None,
                        )
                    )  # fmt: skip
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
