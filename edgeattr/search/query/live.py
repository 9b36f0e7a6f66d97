"""A query asked of people while they are in the picture: its conditions as functions."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from edgeattr.search.query.conditions import (
    And,
    Answered,
    Crossed,
    Duration,
    Dwell,
    Has,
    InStream,
    InZone,
    Leaf,
    Not,
    Or,
    Period,
    Probability,
    Query,
    TimeOfDay,
    terms,
)
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.query.wall_clock import WallClock
from edgeattr.video.alerts import PersonNow

Test: TypeAlias = Callable[[PersonNow], bool | None]
"""Whether a condition holds or fails; None where it does neither."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_HOLDS = {"yes": True, "no": False, "unknown": None}


def live_test(query: Query, known: KnownNames, *, colours: Mapping[str, str] | None = None) -> Test:
    """Compile a query that :func:`parse_rule` has read.

    What is unknown holds nothing and fails nothing, also by its probability: an alert goes by
    answers.

    Args:
        query: the query.
        known: what there is.
        colours: attributes by the names that queries have for them: ``red_upper_body`` is
            ``upper_body_red``.

    Raises:
        QueryError: there is no such attribute, stream, zone or line.
    """

    def compiled(part: Query) -> Test:
        if isinstance(part, Not):
            inner = compiled(part.part)
            return lambda person: _opposite(inner(person))
        if isinstance(part, And | Or):
            tests, ends = tuple(map(compiled, part.parts)), isinstance(part, Or)
            return lambda person: _joined([test(person) for test in tests], ends)
        return _leaf(part, known, colours or {})

    return compiled(query)


def met_conditions(
    query: Query, known: KnownNames, *, colours: Mapping[str, str] | None = None
) -> Callable[[PersonNow], tuple[str, ...]]:
    """A function that tells which conditions of a query hold for a person, in words.

    Raises:
        QueryError: as :func:`live_test`.
    """
    asked = [leaf if holds else Not(leaf) for leaf, holds in dict.fromkeys(terms(query))]
    tests = [(str(part), live_test(part, known, colours=colours)) for part in asked]
    return lambda person: tuple(text for text, test in tests if test(person))


def _leaf(leaf: Leaf, known: KnownNames, colours: Mapping[str, str]) -> Test:
    if isinstance(leaf, Has | Answered | Probability):
        return _answer(leaf, known, colours)
    if isinstance(leaf, InZone | Dwell | Crossed):
        return _place(leaf, known)
    if isinstance(leaf, InStream):
        if leaf.name not in known.streams:
            raise known.no_stream(leaf.name, leaf.span)
        return lambda person: person.stream == leaf.name
    if isinstance(leaf, Duration):
        compare, seconds = _COMPARE[leaf.compare], leaf.milliseconds / 1000
        return lambda person: compare(person.seen_s, seconds)
    if isinstance(leaf, Period | TimeOfDay):
        return _time(leaf)
    fits = re.compile(fnmatch.translate(leaf.pattern.casefold())).match
    return lambda person: bool(fits(person.stream.casefold()))


def _answer(
    leaf: Has | Answered | Probability, known: KnownNames, colours: Mapping[str, str]
) -> Test:
    found = known.attribute(leaf.name, leaf.span)
    if found is None:
        raise known.no_attribute(leaf.name, leaf.span)
    name = colours.get(found, found)
    if isinstance(leaf, Probability):
        compare, bound = _COMPARE[leaf.compare], leaf.p

        def likely(person: PersonNow) -> bool | None:
            answer = person.answers.get(name)
            if answer is None or answer.answer == "unknown":
                return None
            return compare(answer.p, bound)

        return likely
    wanted = _HOLDS["yes" if isinstance(leaf, Has) else leaf.answer]

    def answered(person: PersonNow) -> bool | None:
        answer = person.answers.get(name)
        holds = None if answer is None else _HOLDS[answer.answer]
        return None if holds is None else holds == wanted

    return answered


def _place(leaf: InZone | Dwell | Crossed, known: KnownNames) -> Test:
    name = known.of_place(leaf)
    if name is None:
        raise known.no_place(leaf)
    if isinstance(leaf, InZone):
        return lambda person: name in person.inside
    if isinstance(leaf, Dwell):
        compare, seconds = _COMPARE[leaf.compare], leaf.milliseconds / 1000

        def long_enough(person: PersonNow) -> bool | None:
            spent = person.dwell_s.get(name)
            return None if spent is None else compare(spent, seconds)

        return long_enough
    ways = (leaf.direction,) if leaf.direction else ("in", "out")
    return lambda person: any(person.crossed.get(name, {}).get(way) for way in ways)


def _time(leaf: Period | TimeOfDay) -> Test:
    clock = WallClock()

    def within(person: PersonNow) -> bool | None:
        if person.time is None:
            return None
        moment = round(1000 * person.time)
        if isinstance(leaf, Period):
            return (leaf.since is None or moment >= leaf.since) and (
                leaf.until is None or moment < leaf.until
            )
        wall = clock.local(moment)
        second = wall.hour * 3600 + wall.minute * 60 + wall.second
        if leaf.start < leaf.end:
            return leaf.start <= second < leaf.end
        return second >= leaf.start or second < leaf.end

    return within


def _opposite(holds: bool | None) -> bool | None:
    return None if holds is None else not holds


def _joined(parts: list[bool | None], ends: bool) -> bool | None:
    """Of `or` one part that holds ends it; of `and` one that fails."""
    return ends if ends in parts else None if None in parts else not ends
