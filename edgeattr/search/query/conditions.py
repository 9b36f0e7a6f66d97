"""What can be asked of a person's record, as a tree; ``str`` of it is a query that reads the same.

A condition holds, fails, or does neither where the record does not say: ``hat`` holds where the
answer is yes, fails where it is no, and does neither where it is unknown or was never given. A
query finds the people for whom it holds. ``not`` turns holding and failing around, so ``not hat``
finds those answered no; ``hat is not yes`` finds all who were not answered yes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from edgeattr.core.errors import UsageError
from edgeattr.core.timestamps import utc_text
from edgeattr.search.query.quoting import bare_or_quoted, plain_or_quoted, quoted

Span = tuple[int, int]  # first character in the query's text, and the one after the last
Compare = Literal[">", ">=", "<", "<="]
COMPARISONS: tuple[Compare, ...] = (">", ">=", "<", "<=")
DEEPEST = 100  # conditions inside each other
DAY_S = 24 * 3600
EARLIEST = -62_135_596_800_000  # the year 1, in milliseconds since 1970
LATEST = 253_402_300_799_000  # the end of 9999


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """A condition without parts."""

    span: Span | None = field(default=None, compare=False, repr=False)  # where it was read


@dataclass(frozen=True)
class Has(_Leaf):
    """Answered yes; fails where answered no."""

    name: str  # of the attribute

    def __str__(self) -> str:
        return bare_or_quoted(self.name)


@dataclass(frozen=True)
class Answered(_Leaf):
    """Has that very answer; fails where it has not."""

    name: str  # of the attribute
    answer: Literal["yes", "no", "unknown"]  # unknown is also where no answer was ever given

    def __str__(self) -> str:
        return f"{bare_or_quoted(self.name)} is {self.answer}"


@dataclass(frozen=True)
class Probability(_Leaf):
    """The probability that the attribute holds lies on that side of a bound."""

    name: str  # of the attribute
    compare: Compare
    p: float  # 0..1

    def __post_init__(self) -> None:
        _one_of(self.compare)
        if not 0 <= self.p <= 1:
            raise UsageError(f"{self.name}: {self.p} is not a probability; expected 0..1")

    def __str__(self) -> str:
        return f"{bare_or_quoted(self.name)} {self.compare} {_positional(self.p)}"


@dataclass(frozen=True)
class InStream(_Leaf):
    """Seen in the stream of that very name."""

    name: str

    def __str__(self) -> str:
        return f"stream = {quoted(self.name)}"


@dataclass(frozen=True)
class StreamLike(_Leaf):
    """Seen in a stream whose name fits a shell pattern (``*``, ``?``, ``[ab]``), in any case."""

    pattern: str

    def __str__(self) -> str:
        return f"stream ~ {quoted(self.pattern)}"


@dataclass(frozen=True)
class Period(_Leaf):
    """Last seen at ``since`` or later and before ``until``; neither where there is no time."""

    since: int | None = None  # milliseconds since 1970, UTC
    until: int | None = None

    def __post_init__(self) -> None:
        for moment in (self.since, self.until):
            if moment is not None and not EARLIEST <= moment <= LATEST:
                raise UsageError(f"{moment} ms since 1970 lies outside of the years 1 to 9999")
        if self.since is None and self.until is None:
            raise UsageError("a period has a beginning, an end, or both")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise UsageError(f"the period ends before it begins: {self}")

    def __str__(self) -> str:
        begin, end = (
            None if moment is None else utc_text(moment / 1000)
            for moment in (self.since, self.until)
        )
        if begin and end:
            return f"between {begin} and {end}"
        return f"since {begin}" if begin else f"before {end}"


@dataclass(frozen=True)
class TimeOfDay(_Leaf):
    """Last seen within that part of any day; over midnight where it ends before it begins."""

    start: int  # seconds since midnight, of the wall clock
    end: int  # the first second after it

    def __post_init__(self) -> None:
        if not 0 <= self.start < DAY_S or not 0 < self.end <= DAY_S or self.start == self.end:
            raise UsageError(f"no part of a day: {self.start} to {self.end} s after midnight")

    def __str__(self) -> str:
        return f"between {_clock(self.start)} and {_clock(self.end)}"


@dataclass(frozen=True)
class Duration(_Leaf):
    """The time from first seen to last seen lies on that side of a bound."""

    compare: Compare
    milliseconds: int

    def __post_init__(self) -> None:
        _one_of(self.compare)
        if self.milliseconds < 0:
            raise UsageError(f"seen {self.milliseconds} ms: a duration is 0 or more")

    def __str__(self) -> str:
        return f"seen {self.compare} {_positional(self.milliseconds / 1000)}s"


@dataclass(frozen=True)
class InZone(_Leaf):
    """Was in the zone of that name; of a live person, is in it now."""

    name: str

    def __str__(self) -> str:
        return f"in zone {plain_or_quoted(self.name)}"


@dataclass(frozen=True)
class Dwell(_Leaf):
    """The time spent in a zone lies on that side of a bound; neither for who never was in it."""

    name: str  # of the zone
    compare: Compare
    milliseconds: int

    def __post_init__(self) -> None:
        _one_of(self.compare)

    def __str__(self) -> str:
        seconds = _positional(self.milliseconds / 1000)
        return f"dwell in zone {plain_or_quoted(self.name)} {self.compare} {seconds}s"


@dataclass(frozen=True)
class Crossed(_Leaf):
    """Crossed the line of that name, at least once."""

    name: str
    direction: Literal["in", "out"] | None = None  # that way; None: either way

    def __str__(self) -> str:
        way = f" {self.direction}" if self.direction else ""
        return f"crossed {plain_or_quoted(self.name)}{way}"


@dataclass(frozen=True)
class Not:
    """Holds where its part fails, and fails where that holds."""

    part: Query

    def __post_init__(self) -> None:
        _check_depth(self)

    def __str__(self) -> str:
        return f"not ({self.part})" if isinstance(self.part, And | Or) else f"not {self.part}"


@dataclass(frozen=True)
class And:
    """Holds where every part holds, and fails where one fails; parts that are And merge into it."""

    parts: tuple[Query, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(_merged(self.parts, And)))
        _check_depth(self)

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, Or) else str(part)
                            for part in self.parts)  # fmt: skip


@dataclass(frozen=True)
class Or:
    """Holds where one part holds, and fails where every part fails; parts that are Or merge."""

    parts: tuple[Query, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(_merged(self.parts, Or)))
        _check_depth(self)

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Place: TypeAlias = InZone | Dwell | Crossed
Leaf: TypeAlias = (
    Has | Answered | Probability | InStream | StreamLike | Period | TimeOfDay | Duration | Place
)
Query: TypeAlias = Leaf | Not | And | Or


def terms(query: Query, holds: bool = True) -> Iterator[tuple[Leaf, bool]]:
    """Each condition without parts, and whether it should hold, or else fail."""
    if isinstance(query, Not):
        yield from terms(query.part, not holds)
    elif isinstance(query, And | Or):
        for part in query.parts:
            yield from terms(part, holds)
    else:
        yield query, holds


def leaves(query: Query) -> Iterator[Leaf]:
    """Every condition without parts, in the order of the text."""
    return (leaf for leaf, _ in terms(query))


def depth(query: Query) -> int:
    """How many conditions lie inside each other."""
    return getattr(query, "_depth", 1)


def _merged(parts: tuple[Query, ...], kind: type[And | Or]) -> Iterator[Query]:
    if len(parts) < 2:
        raise UsageError(f"{kind.__name__} joins two conditions or more; got {len(parts)}")
    for part in parts:
        yield from part.parts if isinstance(part, kind) else (part,)


def _check_depth(query: Not | And | Or) -> None:
    parts = (query.part,) if isinstance(query, Not) else query.parts
    found = 1 + max(map(depth, parts))
    if found > DEEPEST:
        raise UsageError(f"more than {DEEPEST} conditions lie inside each other")
    object.__setattr__(query, "_depth", found)


def _one_of(compare: str) -> None:
    if compare not in COMPARISONS:
        raise UsageError(f"{compare!r} is no comparison; there are: {', '.join(COMPARISONS)}")


def _positional(number: float) -> str:
    """As it is read again, without an exponent."""
    return format(Decimal(repr(number)), "f").removesuffix(".0")


def _clock(second: int) -> str:
    text = f"{second // 3600:02}:{second // 60 % 60:02}"
    return f"{text}:{second % 60:02}" if second % 60 else text
