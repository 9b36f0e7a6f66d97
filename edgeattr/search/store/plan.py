"""A query in the numbers of a store, and the people for whom it holds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from edgeattr.search.query import (
    And,
    Answered,
    Chance,
    Daily,
    Duration,
    Has,
    InStream,
    Not,
    Or,
    Period,
    Query,
    StreamLike,
    leaves,
)
from edgeattr.search.query.conditions import Leaf
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.store.blocks import Block
from edgeattr.search.store.masks import (
    AnswerTest,
    DailyTest,
    DurationTest,
    Mask,
    PeriodTest,
    Scores,
    StreamTest,
    Test,
)

__all__ = ["EVER", "Plan", "time_span"]

EVER = (-(2**62) + 1, 2**62)  # milliseconds since 1970: all that have a time


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to answer a query; made by :meth:`of`."""

    query: Query | None  # None: everybody
    tests: dict[Leaf, Test]  # of each condition without parts

    @classmethod
    def of(
        cls,
        query: Query | None,
        known: KnownNames,
        *,
        min_p: float = 0.0,
        zone: tzinfo | None = None,
        complete: bool = True,
    ) -> Plan:
        """Find the numbers of a query's names.

        Args:
            query: the query.
            known: the names that there are.
            min_p: an answer without a bound of its own counts from that probability on.
            zone: of times of day; None is this machine's.
            complete: whether no other names can come; if so, an unknown one is an error.

        Raises:
            QueryError: nothing has such a name, or several attributes could be meant.
        """
        found: dict[Leaf, Test] = {}
        for leaf in () if query is None else leaves(query):
            if leaf not in found:
                found[leaf] = _test(leaf, known, min_p, zone, complete)
        return cls(query=query, tests=found)

    @property
    def attributes(self) -> set[int]:
        """Whose answers are needed."""
        return {
            test.attribute
            for test in self.tests.values()
            if isinstance(test, AnswerTest) and test.attribute is not None
        }

    @property
    def needs_durations(self) -> bool:
        """Whether it asks how long people were seen."""
        return any(isinstance(leaf, Duration) for leaf in self.tests)

    @property
    def needs_times(self) -> bool:
        """Whether it asks when people were seen."""
        return any(isinstance(leaf, Period | Daily) for leaf in self.tests)

    def among(self, block: Block) -> Mask:
        """[N], for whom the query holds."""
        there = np.asarray(block.streams > 0)
        if self.query is not None:
            there &= self._mask(self.query, block, True)
        return there

    def scores(self, block: Block) -> Scores:
        """[N], how surely the query holds, 0..1.

        That of ``and`` is its least sure part's, that of ``or`` its surest part's. Conditions
        without a probability count as sure.
        """
        if self.query is None:
            return np.ones(len(block.persons), np.float32)
        return self._score(self.query, block, True)

    def terms(self) -> Iterator[tuple[Leaf, bool]]:
        """Each condition without parts, and whether it should hold, or else fail."""
        if self.query is not None:
            yield from _terms(self.query, True)

    def _mask(self, query: Query, block: Block, holds: bool) -> Mask:
        if isinstance(query, Not):
            return self._mask(query.part, block, not holds)
        if not isinstance(query, And | Or):
            return self.tests[query].mask(block, holds)
        join: Callable[..., Mask] = np.logical_and if _all(query, holds) else np.logical_or
        first, *others = query.parts
        found = self._mask(first, block, holds)
        for part in others:
            found = join(found, self._mask(part, block, holds))
        return found

    def _score(self, query: Query, block: Block, holds: bool) -> Scores:
        if isinstance(query, Not):
            return self._score(query.part, block, not holds)
        if not isinstance(query, And | Or):
            return self.tests[query].score(block, holds)
        join = np.minimum if _all(query, holds) else np.maximum
        scores = (self._score(part, block, holds) for part in query.parts)
        return functools.reduce(join, scores)


def time_span(query: Query | None) -> tuple[int, int]:
    """From when to before when people were seen last for whom a query can hold."""
    if isinstance(query, Period):
        return (
            EVER[0] if query.since is None else query.since,
            EVER[1] if query.until is None else query.until,
        )
    if isinstance(query, And | Or):
        begins, ends = zip(*map(time_span, query.parts), strict=True)
        both = isinstance(query, And)
        return (max(begins), min(ends)) if both else (min(begins), max(ends))
    return EVER


def _all(query: And | Or, holds: bool) -> bool:
    """Whether each part must be so: of ``or`` each must fail for it to fail."""
    return isinstance(query, And) == holds


def _terms(query: Query, holds: bool) -> Iterator[tuple[Leaf, bool]]:
    if isinstance(query, Not):
        yield from _terms(query.part, not holds)
    elif isinstance(query, And | Or):
        for part in query.parts:
            yield from _terms(part, holds)
    else:
        yield query, holds


def _test(leaf: Leaf, known: KnownNames, min_p: float, zone: tzinfo | None, complete: bool) -> Test:
    if isinstance(leaf, InStream):
        number = known.streams.get(leaf.name)
        if number is None and complete:
            raise known.no_stream(leaf.name, leaf.span)
        return StreamTest([] if number is None else [number])
    if isinstance(leaf, StreamLike):
        return StreamTest(known.streams_like(leaf.pattern))
    if isinstance(leaf, Period):
        return PeriodTest(leaf)
    if isinstance(leaf, Daily):
        return DailyTest(leaf, zone)
    if isinstance(leaf, Duration):
        return DurationTest(leaf)
    return _answer_test(leaf, known, min_p, complete)


def _answer_test(
    leaf: Has | Answered | Chance, known: KnownNames, min_p: float, complete: bool
) -> AnswerTest:
    number = known.attribute(leaf.name, leaf.span)
    if number is None and complete:
        raise known.no_attribute(leaf.name, leaf.span)
    if isinstance(leaf, Has):
        return AnswerTest.of_has(number, leaf, min_p)
    if isinstance(leaf, Answered):
        return AnswerTest.of_answered(number, leaf)
    return AnswerTest.of_chance(number, leaf)
