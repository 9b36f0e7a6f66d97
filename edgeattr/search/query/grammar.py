"""The grammar of queries, as lark reads it (LALR, with a lexer that knows what may follow)."""

from __future__ import annotations

from edgeattr.search.query.quoting import WORD
from edgeattr.search.query.wall_clock import UNITS

__all__ = ["GRAMMAR", "PHRASES"]

_END = r"(?![\w-])"  # of a keyword: not the beginning of a longer word
_DATE = r"\d{4}-\d{1,2}-\d{1,2}"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?"
_ZONE = r"(?:\s*(?:Z|[+-]\d\d:?\d\d)(?![\w:]))?"

GRAMMAR = rf"""
?query: disjunction
disjunction: conjunction (_OR conjunction)*
conjunction: negation (_AND negation | where)*
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
    | BETWEEN moment _AND moment -> between
    | LAST (duration | UNIT) -> last
    | _ON DATE -> on
    | DAY -> on
    | where
?where: ZONE place -> in_zone
    | SINCE moment -> since
    | BEFORE moment -> before
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
