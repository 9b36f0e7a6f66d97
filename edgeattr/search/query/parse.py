"""Text to conditions."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from edgeattr.core.errors import QueryError
from edgeattr.search.query.conditions import Answered, Query, leaves
from edgeattr.search.query.grammar import GRAMMAR, PHRASES
from edgeattr.search.query.query_errors import printable, query_error
from edgeattr.search.query.wall_clock import WallClock

if TYPE_CHECKING:
    from lark import Lark

    from edgeattr.search.query.condition_builder import Moment

__all__ = ["LONGEST", "parse_duration", "parse_query", "parse_rule", "parse_time"]

LONGEST = 100_000  # characters of a query


def parse_query(text: str, clock: WallClock | None = None) -> Query:
    """Read a query; ``docs/find.md`` has the language.

    Args:
        text: the query.
        clock: what ``today`` and ``last 2h`` go by; None: this machine's.

    Raises:
        QueryError: the text is no query; the message points at the first wrong word.
    """
    if not text.strip():
        raise QueryError("the query is empty; leave it out to find everybody", span=(0, len(text)))
    return cast(Query, _parse("query", text, clock))


def parse_rule(text: str, clock: WallClock | None = None) -> Query:
    """Read a query that is asked again and again of people who are in the picture.

    ``after 22:00`` and ``before 6:00`` are times of any day in it.

    Args:
        text: the query.
        clock: what times without a zone go by; absent, this machine's.

    Raises:
        QueryError: the text is no query, or holds what has no sense in a rule: ``today``,
            ``last 2h``, or an answer that is unknown.
    """
    if not text.strip():
        raise QueryError("the rule is empty; `seen > 0s` is anybody", span=(0, len(text)))
    query = cast(Query, _parse("query", text, clock, rule=True))
    for leaf in leaves(query):
        if isinstance(leaf, Answered) and leaf.answer == "unknown":
            problem = "a rule goes by what is answered: name `yes` or `no`"
            raise query_error(problem, text, leaf.span or (0, 0))
    return query


def parse_duration(text: str) -> float:
    """Seconds of a duration such as ``30 s`` or ``1 min 30 s``.

    Raises:
        QueryError: it is no duration.
    """
    return float(_parse("duration", text, None)) / 1000


def parse_time(text: str, clock: WallClock | None = None, *, end: bool = False) -> int:
    """Read a time as ``since`` has it: ``2026-05-01 14:00``, ``14:00``, ``yesterday``, ``2h ago``.

    Args:
        text: the time; where it names no zone, it is by the clock.
        clock: what that and ``today`` go by; None: this machine's.
        end: of a whole day, its end and not its beginning.

    Returns:
        Milliseconds since 1970, UTC.

    Raises:
        QueryError: it is no such time.
    """
    moment: Moment = _parse("moment", text, clock)
    return moment.end if end else moment.begin


def _parse(start: str, text: str, clock: WallClock | None, *, rule: bool = False) -> Any:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    from edgeattr.search.query.condition_builder import InvalidPhrase, words_by_clock

    if len(text) > LONGEST:
        problem = f"a query of {len(text):,} characters; at most {LONGEST:,} are read"
        raise query_error(problem, text, (LONGEST, LONGEST + 1))
    try:
        with words_by_clock(clock or WallClock(), rule=rule):
            return _parser().parse(text, start=start)
    except UnexpectedToken as error:
        ended = error.token.type == "$END"
        place = len(text) if ended else error.token.start_pos or 0
        span = place, place + (0 if ended else len(error.token))
        problem = _problem(text, span, error.accepts or error.expected)
        raise query_error(problem, text, span) from error
    except UnexpectedCharacters as error:
        place = error.pos_in_stream or 0
        span = place, place + 1
        raise query_error(_problem(text, span, error.allowed or ()), text, span) from error
    except InvalidPhrase as error:
        raise query_error(str(error), text, error.span) from error


@functools.lru_cache(maxsize=1)
def _parser() -> Lark:
    from lark import Lark

    from edgeattr.search.query.condition_builder import ConditionBuilder

    return Lark(
        GRAMMAR,
        start=["query", "moment", "duration"],
        parser="lalr",
        transformer=ConditionBuilder(),
    )


def _problem(text: str, span: tuple[int, int], possible: Collection[str]) -> str:
    """What is there, and what could be there."""
    left, phrases = set(possible), []
    for terminals, phrase in PHRASES:
        if left.issuperset(terminals.split()):
            left.difference_update(terminals.split())
            phrases.append(phrase)
    expected = " or ".join(phrases[:2]) or "the end"
    word = printable(text[slice(*span)])
    if span[0] == span[1]:
        return f"the query ends too early; expected {expected}"
    if word[0] in "\"'" and len(word) == 1:
        return f"{word} begins a name that has no end; expected another {word}"
    shown = word if len(word) <= 40 else f"{word[:37]}..."
    return f"`{shown}` is not understood here; expected {expected}"
