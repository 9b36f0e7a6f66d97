"""A query as SQL: conditions that are true, 0 or NULL of each row of the table of people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from edgeattr.search.query import (
    And,
    Answered,
    Crossed,
    Duration,
    Dwell,
    Has,
    InStream,
    InZone,
    Not,
    Or,
    Period,
    Probability,
    Query,
    TimeOfDay,
)
from edgeattr.search.query.conditions import Leaf, Place
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.store.records import LONGEST_MS
from edgeattr.search.store.table import P_SCALE, Attribute, Catalog, stored_text

_DAY_MS = 24 * 3600 * 1000
_TINY = 1e-6  # of a ten-thousandth: 0.8 is 8000 of them, and not one more
_RISES = {"yes": True, "no": False, "unknown": None}


class ConditionsSql:
    """Writes conditions; what they compare with is bound, and gathers in ``values``.

    Args:
        catalog: the columns of attributes and the numbers of streams.
        known: their names, for messages.
        min_p: an answer without a bound of its own counts from that probability on, 0..1.
        offset: gives an expression of what the wall clock is ahead of UTC, in milliseconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        known: KnownNames,
        *,
        min_p: float = 0.0,
        offset: Callable[[], str] = lambda: "0",
    ) -> None:
        self.values: dict[str, Any] = {}
        self.indexed = True  # whether the index of times has all that was asked for until now
        self._catalog, self._known = catalog, known
        self._min_p, self._offset = min_p, offset
        self._names: dict[Any, str] = {}  # of values

    def condition(self, query: Query | None, holds: bool = True) -> str:
        """True where a query holds or, with ``holds`` false, where it fails; 0 or NULL elsewhere.

        Raises:
            QueryError: nothing has such a name, or several attributes could be meant.
        """
        if query is None:
            return "1"
        if isinstance(query, Not):
            return self.condition(query.part, not holds)
        if isinstance(query, And | Or):
            every = isinstance(query, And) == holds  # of `or` each part must fail for it to fail
            parts = sorted(dict.fromkeys(query.parts), key=_cost)
            written = [self.condition(part, holds) for part in parts]
            return _balanced(written, "({} AND {})" if every else "({} OR {})")
        if isinstance(query, Has) and not self._min_p:
            found = self.attribute(query)
            if found.bit is not None:
                return found.bit_sql("yes" if holds else "no")
        text = self._leaf(query)
        return text if holds else f"(NOT {text})"

    def score(self, query: Query | None, holds: bool = True) -> str:
        """How surely a query holds where it does, or fails where it does, in ten-thousandths.

        That of ``and`` is its least sure part's, that of ``or`` its surest part's. Conditions
        without a probability count as sure.
        """
        if query is None:
            return str(P_SCALE)
        if isinstance(query, Not):
            return self.score(query.part, not holds)
        if isinstance(query, And | Or):
            every = isinstance(query, And) == holds
            parts = [self.score(part, holds) for part in dict.fromkeys(query.parts)]
            return _balanced(parts, "min({}, {})" if every else "max({}, {})")
        sure = self._sureness(query, holds)
        return f"(CASE WHEN {self.condition(query, holds)} THEN {sure} ELSE 0 END)"

    def attribute(self, leaf: Has | Answered | Probability) -> Attribute:
        """Where the answers are. Raises QueryError as :meth:`condition`."""
        name = self._known.attribute(leaf.name, leaf.span)
        if name is None:
            raise self._known.no_attribute(leaf.name, leaf.span)
        return self._catalog.attributes[name]

    def _leaf(self, leaf: Leaf) -> str:
        if isinstance(leaf, Has | Answered | Probability):
            return self._answer(leaf)
        if isinstance(leaf, InZone | Dwell | Crossed):
            return self._place(leaf)
        if isinstance(leaf, InStream):
            if leaf.name not in self._catalog.streams:
                raise self._known.no_stream(leaf.name, leaf.span)
            return f"(stream = {self._catalog.streams[leaf.name]})"
        if isinstance(leaf, Period):
            bounds = ((">=", leaf.since), ("<", leaf.until))
            parts = [f"time {word} {self._bound(at)}" for word, at in bounds if at is not None]
            return f"({' AND '.join(parts)})"
        if isinstance(leaf, TimeOfDay):
            return self._daily(leaf)
        if isinstance(leaf, Duration):
            return f"(seen_ms {leaf.compare} {self._bound(min(leaf.milliseconds, LONGEST_MS))})"
        numbers = [self._catalog.streams[name] for name in self._known.streams_like(leaf.pattern)]
        return f"(stream IN ({', '.join(map(str, numbers))}))"

    def _answer(self, leaf: Has | Answered | Probability) -> str:
        found = self.attribute(leaf)
        answer, p = found.answer_sql, found.p_sql
        if isinstance(leaf, Answered):
            if found.bit is not None:
                yes, no = found.bit_sql("yes"), found.bit_sql("no")
                return {"yes": yes, "no": no, "unknown": f"({yes} + {no} = 0)"}[leaf.answer]
            self.indexed = False
            return f"({answer} IS {({'yes': '1', 'no': '0', 'unknown': 'NULL'})[leaf.answer]})"
        self.indexed = False
        if isinstance(leaf, Probability):
            exact = leaf.p * P_SCALE
            above = leaf.compare in (">=", "<")  # or the bound itself belongs to what is below it
            cut = math.ceil(exact - _TINY) if above else math.floor(exact + _TINY) + 1
            return f"({p} {leaf.compare[0]}{'=' * (leaf.compare[0] == '>')} {self._bound(cut)})"
        least = math.ceil(self._min_p * P_SCALE - _TINY)
        if not least:
            return answer
        yes = f"WHEN {answer} AND {p} >= {self._bound(least)} THEN 1"
        no = f"WHEN NOT {answer} AND {p} <= {self._bound(P_SCALE - least)} THEN 0"
        return f"(CASE {yes} {no} END)"

    def _place(self, leaf: Place) -> str:
        name = self._known.of_place(leaf)
        if name is None:
            raise self._known.no_place(leaf)
        self.indexed = False
        its = f"= {self._bound(stored_text(name))} AND person = people.person"
        if isinstance(leaf, InZone):
            return f"(EXISTS (SELECT 1 FROM visits WHERE zone {its}))"
        if isinstance(leaf, Dwell):
            bound = self._bound(min(leaf.milliseconds, LONGEST_MS))
            return f"((SELECT dwell_ms FROM visits WHERE zone {its}) {leaf.compare} {bound})"
        way = f' AND "{leaf.direction}" > 0' if leaf.direction else ""
        return f"(EXISTS (SELECT 1 FROM crossings WHERE line {its}{way}))"

    def _daily(self, leaf: TimeOfDay) -> str:
        clock = f"(((time + {self._offset()}) % {_DAY_MS} + {_DAY_MS}) % {_DAY_MS})"
        start, end = 1000 * leaf.start, 1000 * leaf.end
        if start < end:
            return f"({clock} BETWEEN {start} AND {end - 1})"
        return f"({clock} NOT BETWEEN {end} AND {start - 1})"

    def _sureness(self, leaf: Leaf, holds: bool) -> str:
        """How surely it holds, or fails, where it does."""
        if not isinstance(leaf, Has | Answered | Probability):
            return str(P_SCALE)
        rises: bool | None = True  # whether it is more likely so the greater p is
        if isinstance(leaf, Answered):
            rises = _RISES[leaf.answer]
        elif isinstance(leaf, Probability):
            rises = leaf.compare[0] == ">"
        if rises is None:
            return str(P_SCALE)
        found = self.attribute(leaf)
        sure = found.p_sql if rises == holds else f"{P_SCALE} - {found.p_sql}"
        return f"coalesce({sure}, {P_SCALE})" if isinstance(leaf, Answered) else sure

    def _bound(self, value: Any) -> str:
        if value not in self._names:
            self._names[value] = f"v{len(self._names)}"
            self.values[self._names[value]] = value
        return f":{self._names[value]}"


def _balanced(parts: Sequence[str], join: str) -> str:
    """Join by twos: SQLite's expressions nest a thousand deep at most."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return join.format(_balanced(parts[:middle], join), _balanced(parts[middle:], join))


def _cost(query: Query) -> bool:
    """What reads columns far from the left of the row, or computes much, comes last."""
    return isinstance(query, Probability | TimeOfDay | InZone | Dwell | Crossed | Not | And | Or)
