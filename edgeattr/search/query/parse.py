"""Text to conditions."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from edgeattr.core.errors import QueryError
from edgeattr.search.query.conditions import Answered, Query, leaves
from edgeattr.search.query.query_errors import printable, query_error
from edgeattr.search.query.quoting import WORD
from edgeattr.search.query.wall_clock import UNITS, WallClock

if TYPE_CHECKING:
    from lark import Lark

    from edgeattr.search.query.condition_builder import Moment

_END = r"(?![\w-])"  # of a keyword: not the beginning of a longer word
_DATE = r"\d{4}-\d{1,2}-\d{1,2}"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?"
_ZONE = r"(?:\s*(?:Z|[+-]\d\d:?\d\d)(?![\w:]))?"

GRAMMAR = rf"""
?query: disjunction
disjunction: conjunction (_OR conjunction)*
conjunction: part (_AND part | where)*
?part: negation
    | NOT? name BETWEEN CLOCK _AND CLOCK -> has_between
?negation: NOT negation -> negated
    | "(" disjunction ")"
    | name -> has
    | name (_IS | _EQUAL) NOT? ANSWER -> answered
    | name UNEQUAL ANSWER -> answered
    | UNKNOWN name ")" -> unknown
    | name COMPARE SHARE -> chance
    | name BETWEEN SHARE _AND SHARE -> chance_between
    | STREAM (_IS | _EQUAL) NOT? text -> in_stream
    | STREAM UNEQUAL text -> in_stream
    | STREAM LIKE text -> stream_like
    | STREAM _IN text (_COMMA text)* ")" -> in_streams
    | SEEN COMPARE duration -> lasted
    | SEEN BETWEEN duration _AND duration -> lasted_between
    | DWELL ZONE place COMPARE duration -> dwelt
    | CROSSED place WAY? -> crossed
    | LAST (duration | UNIT) -> last
    | _ON DATE -> on
    | DAY -> on
    | where
?where: ZONE place -> in_zone
    | SINCE moment -> since
    | BEFORE moment -> before
    | BETWEEN moment _AND moment -> between
place: QUOTED | PLACE
name: WORD (WORD | DIGITS)* | QUOTED
text: QUOTED | PLAIN
duration: (NUMBER UNIT)+
moment: STAMP | DATE | CLOCK | DAY CLOCK? | duration AGO

_AND: /and{_END}/i
_OR: /or{_END}/i
NOT.2: /not{_END}/i
_IS: /is{_END}/i
_EQUAL: /==?/
UNEQUAL: "!="
LIKE: /!?~/
COMPARE: /[<>]=?/
ANSWER: /(?:yes|no|unknown){_END}/i
UNKNOWN.2: /unknown\s*\(/i
STREAM: /stream{_END}/i
SEEN: /seen{_END}/i
ZONE.2: /(?:in\s+)?zone(?=\s+\S)/i
DWELL: /dwell{_END}/i
CROSSED: /crossed{_END}/i
WAY: /(?:in|out){_END}/i
SINCE: /(?:since|after){_END}/i
BEFORE: /(?:before|until){_END}/i
BETWEEN: /between{_END}/i
LAST: /last{_END}/i
DAY: /(?:today|yesterday){_END}/i
_ON.2: /on(?=\s+\d)/i
_IN.2: /in\s*\(/i
AGO: /ago{_END}/i
_COMMA: ","
STAMP.3: /{_DATE}(?:T|\s)\s*{_CLOCK}(?:\.\d+)?{_ZONE}/i
DATE.2: /{_DATE}/
CLOCK.2: /{_CLOCK}/
SHARE: /(?:\d+(?:\.\d*)?|\.\d+)(?:\s*%)?/
NUMBER: /\d+(?:\.\d*)?|\.\d+/
UNIT: /(?:{"|".join(UNITS)})(?![^\W\d])/i
DIGITS: /\d+{_END}(?![.:])/
WORD: /{WORD}/i
QUOTED.2: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
PLAIN: /[^\s()"',]+/
PLACE: /[^\s()"',<>=]+/
%ignore /\s+/
"""

PHRASES = (
    ("NOT WORD", "an attribute, `not`, `(`, or a condition such as `since` or `stream`"),
    ("WORD _AND _OR _IS COMPARE BETWEEN", "`and`, `or`, `is` or a bound such as `> 0.8`"),
    ("WORD _IS COMPARE BETWEEN RPAR", "`)`"),
    ("_IS COMPARE BETWEEN", "`is` or a bound such as `> 0.8`"),
    ("WORD", "an attribute"),
    ("ANSWER", "`yes`, `no` or `unknown`"),
    ("_IN LIKE _IS _EQUAL UNEQUAL", "`=`, `!=`, `~` or `in (...)`"),
    ("PLAIN", "the name of a stream, in quotes if it holds blanks"),
    ("PLACE", "the name of a zone or line, in quotes if it holds blanks"),
    ("ZONE", "`in zone`"),
    ("SHARE", "a probability such as 0.8 or 80 %"),
    ("STAMP DATE CLOCK DAY NUMBER", "a time such as 2026-05-01 14:00, 14:00, yesterday, 2h ago"),
    ("DATE", "a date such as 2026-05-01"),
    ("NUMBER UNIT", "a duration such as 10s, 2h or hour"),
    ("UNIT", "a unit of time such as s, min or h"),
    ("COMPARE BETWEEN", "a bound such as `> 10s`"),
    ("COMPARE", "a bound such as `> 10s`"),
    ("CLOCK", "a time of day"),
    ("_AND _OR", "`and` or `or`"),
    ("_AND", "`and`"),
    ("AGO", "`ago`"),
    ("NUMBER", "a duration such as 10s or 2h"),
    ("_COMMA", "`,`"),
    ("RPAR", "`)`"),
)
"""What may come next, in words: each where all its terminals may come and are not told yet."""


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


def parse_rule(text: str) -> Query:
    """Read a query that is asked again and again of people who are in the picture.

    ``after 22:00`` and ``before 6:00`` are times of any day in it, by this machine's clock.

    Raises:
        QueryError: the text is no query, or holds what has no sense in a rule: ``today``,
            ``last 2h``, or an answer that is unknown.
    """
    if not text.strip():
        raise QueryError("the rule is empty; `seen > 0s` is anybody", span=(0, len(text)))
    query = cast(Query, _parse("query", text, None, rule=True))
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
