"""What each rule of the grammar makes of its words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from lark import Token, Transformer, v_args

from edgeattr.core.errors import UsageError
from edgeattr.search.query.conditions import (
    DAY_S,
    And,
    Answered,
    Compare,
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
    Span,
    StreamLike,
    TimeOfDay,
)
from edgeattr.search.query.quoting import joined, unquoted
from edgeattr.search.query.wall_clock import WallClock, duration_ms, seconds_of_day

_CLOCKS_DIFFER_MS = 60_000  # how far ahead of this machine's clock another one may be
_CLOCK: ContextVar[WallClock] = ContextVar("edgeattr.search.query.clock")
_IN_A_RULE: ContextVar[bool] = ContextVar("edgeattr.search.query.rule")
_Value = TypeVar("_Value")


class InvalidPhrase(Exception):
    """Words in their place that have no sense there."""

    def __init__(self, problem: str, span: Span) -> None:
        super().__init__(problem)
        self.span = span


@dataclass(frozen=True, kw_only=True)
class _Text:
    """A name."""

    text: str
    span: Span


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A point in time, or a day."""

    begin: int  # milliseconds since 1970, UTC
    end: int  # of a day, that of the next day's beginning; otherwise the same
    second: int | None  # since midnight, of a time without a date
    span: Span


@contextlib.contextmanager
def words_by_clock(clock: WallClock, *, rule: bool = False) -> Iterator[None]:
    """How texts are read meanwhile, in this thread or task.

    Args:
        clock: what words such as ``today`` go by.
        rule: whether it is asked again and again: ``after 22:00`` is then a time of any day, and
            words that go by the moment of reading have no sense.
    """
    tokens = _CLOCK.set(clock), _IN_A_RULE.set(rule)
    try:
        yield
    finally:
        _CLOCK.reset(tokens[0])
        _IN_A_RULE.reset(tokens[1])


@v_args(inline=True)
class ConditionBuilder(Transformer[Token, Any]):
    """Makes conditions while the text is parsed: one method per rule."""

    def name(self, *words: Token) -> _Text:
        first = words[0]
        text = unquoted(first) if first.type == "QUOTED" else joined(list(words))
        return _Text(text=text, span=_span(*words))

    def text(self, word: Token) -> _Text:
        return _Text(text=unquoted(word) if word.type == "QUOTED" else str(word), span=_span(word))

    def disjunction(self, *parts: Query) -> Query:
        return parts[0] if len(parts) == 1 else _made(lambda: Or(parts), _whole(parts))

    def conjunction(self, *parts: Query) -> Query:
        return parts[0] if len(parts) == 1 else _made(lambda: And(parts), _whole(parts))

    def negated(self, word: Token, part: Query) -> Query:
        return _made(lambda: Not(part), _span(word))

    def has(self, name: _Text) -> Query:
        return Has(name.text, span=name.span)

    def answered(self, name: _Text, *words: Token) -> Query:
        """``hat is yes``; a word before the answer is ``not`` or ``!=``."""
        found = Answered(name.text, cast(Any, words[-1].lower()), span=name.span)
        return Not(found) if len(words) == 2 else found

    def unknown(self, word: Token, name: _Text) -> Query:
        return Answered(name.text, "unknown", span=name.span)

    def chance(self, name: _Text, compare: Token, share: Token) -> Query:
        return Probability(name.text, cast(Compare, str(compare)), _share(share), span=name.span)

    def chance_between(self, name: _Text, word: Token, low: Token, high: Token) -> Query:
        bounds = _share(low), _share(high)
        if bounds[0] > bounds[1]:
            raise InvalidPhrase("the lower bound comes first", _span(low, high))
        return And((
            Probability(name.text, ">=", bounds[0], span=name.span),
            Probability(name.text, "<=", bounds[1], span=name.span),
        ))  # fmt: skip

    def has_between(self, *words: Any) -> Query:
        """``not hat between 22:00 and 6:00``, as times follow what they limit."""
        *negation, name, word, first, last = words
        found = self.has(name)
        if negation:
            found = self.negated(negation[0], found)
        return And((found, self.between(word, self.moment(first), self.moment(last))))

    def in_stream(self, *words: Any) -> Query:
        """``stream = door``; a word before the name is ``not`` or ``!=``."""
        name: _Text = words[-1]
        found = InStream(name.text, span=name.span)
        return Not(found) if len(words) == 3 else found

    def in_streams(self, word: Token, *names: _Text) -> Query:
        parts = tuple(InStream(name.text, span=name.span) for name in names)
        return Or(parts) if len(parts) > 1 else parts[0]

    def stream_like(self, word: Token, like: Token, pattern: _Text) -> Query:
        found = StreamLike(pattern.text, span=pattern.span)
        return Not(found) if like.startswith("!") else found

    def lasted(self, word: Token, compare: Token, length: int) -> Query:
        return Duration(cast(Compare, str(compare)), length, span=_span(word, compare))

    def lasted_between(self, word: Token, between: Token, low: int, high: int) -> Query:
        span = _span(word, between)
        if low > high:
            raise InvalidPhrase("the shorter duration comes first", span)
        return And((Duration(">=", low, span=span), Duration("<=", high, span=span)))

    def place(self, word: Token) -> _Text:
        return self.text(word)

    def in_zone(self, word: Token, name: _Text) -> Query:
        return InZone(name.text, span=name.span)

    def dwelt(self, word: Token, zone: Token, name: _Text, compare: Token, length: int) -> Query:
        return Dwell(name.text, cast(Compare, str(compare)), length, span=name.span)

    def crossed(self, word: Token, name: _Text, *way: Token) -> Query:
        direction = cast(Any, way[0].lower()) if way else None
        return Crossed(name.text, direction, span=name.span)

    def since(self, word: Token, moment: Moment) -> Query:
        after = word.lower() == "after"
        if moment.second is not None and _IN_A_RULE.get():
            return _made(
                lambda: TimeOfDay(moment.second or 0, DAY_S, span=moment.span), moment.span
            )
        return Period(moment.end if after else moment.begin, None, span=moment.span)

    def before(self, word: Token, moment: Moment) -> Query:
        until = word.lower() == "until"
        if moment.second is not None and _IN_A_RULE.get():
            return _made(lambda: TimeOfDay(0, moment.second or 0, span=moment.span), moment.span)
        return Period(None, moment.end if until else moment.begin, span=moment.span)

    def between(self, word: Token, first: Moment, last: Moment) -> Query:
        span = first.span[0], last.span[1]
        if (first.second is None) != (last.second is None):
            said = "expected two times of day, or two dates, each with a time or without"
            raise InvalidPhrase(said, span)
        if first.second is None or last.second is None:
            if first.begin >= last.end:
                raise InvalidPhrase("the second time does not come after the first", span)
            return Period(first.begin, last.end, span=span)
        start, end = first.second, last.second or DAY_S  # 00:00 at the end is midnight
        if start in (end, DAY_S):
            raise InvalidPhrase("no time lies between these", span)
        return _made(lambda: TimeOfDay(start, end, span=span), span)

    def last(self, word: Token, length: int | Token) -> Query:
        _not_in_a_rule(word)
        if isinstance(length, Token):
            length = duration_ms([("1", str(length))])
        clock = _CLOCK.get()
        return Period(clock.ago(length), clock.ago(-_CLOCKS_DIFFER_MS), span=_span(word))

    def on(self, day: Token) -> Query:
        found = self.moment(day)
        return Period(found.begin, found.end, span=found.span)

    def duration(self, *words: Token) -> int:
        pairs = list(zip(map(str, words[::2]), map(str, words[1::2]), strict=True))
        return _understood(lambda: duration_ms(pairs), _span(*words))

    def moment(self, first: Token | int, *more: Token) -> Moment:
        clock = _CLOCK.get()
        if isinstance(first, int):
            _not_in_a_rule(*more)
            begin, span = clock.ago(first), _span(*more)
            return Moment(begin=begin, end=begin, second=None, span=span)
        span = _span(first, *more)
        if first.type in ("STAMP", "DATE"):
            begin, end = _understood(lambda: clock.stamp(first), span, f"there is no {first}: ")
            return Moment(begin=begin, end=begin if end is None else end, second=None, span=span)
        if first.type == "DAY":
            _not_in_a_rule(first)
        day = clock.day(back=1 if first.lower() == "yesterday" else 0)
        time = first if first.type == "CLOCK" else more[0] if more else None
        if time is None:
            begin, end = clock.at(day), clock.at(day, DAY_S)
            return Moment(begin=begin, end=end, second=None, span=span)
        second = _understood(lambda: seconds_of_day(time), span)
        begin = clock.at(day, second)
        known = second if first.type == "CLOCK" else None
        return Moment(begin=begin, end=begin, second=known, span=span)


def _not_in_a_rule(*words: Token) -> None:
    if _IN_A_RULE.get():
        said = "goes by the moment of reading; name a time of day such as `after 22:00`, or a date"
        raise InvalidPhrase(f"`{' '.join(words)}` {said}", _span(*words))


def _span(*words: Token) -> Span:
    return words[0].start_pos or 0, words[-1].end_pos or 0


def _whole(parts: tuple[Query, ...]) -> Span:
    """From the first to the last, as far as is known."""
    spans = [part.span for part in parts if not isinstance(part, And | Or | Not) and part.span]
    return (spans[0][0], spans[-1][1]) if spans else (0, 0)


def _share(word: Token) -> float:
    """0..1, of ``0.8`` or ``80 %``."""
    percent = word.endswith("%")
    value = float(word.rstrip("% \t\r\n")) / (100 if percent else 1)
    if not value <= 1:
        hint = "" if percent else f"; for percent write {word}%"
        raise InvalidPhrase(f"{word} is not a probability, expected 0 to 1{hint}", _span(word))
    return value


def _made(make: Callable[[], Query], span: Span) -> Query:
    try:
        return make()
    except UsageError as error:
        raise InvalidPhrase(str(error), span) from error


def _understood(read: Callable[[], _Value], span: Span, said: str = "") -> _Value:
    try:
        return read()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidPhrase(f"{said}{error}", span) from error
