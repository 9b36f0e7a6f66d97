"""Errors that point at the word that is wrong."""

from __future__ import annotations

import unicodedata

from edgeattr.core.errors import QueryError

_SHOWN = 72  # characters of a long query


def query_error(problem: str, query: str, span: tuple[int, int]) -> QueryError:
    """An error whose text shows the query and marks a part of it.

    Args:
        problem: what is wrong there.
        query: the whole text.
        span: the wrong part: its first character, and the one after its last; may be empty.
    """
    start, end = span
    begin = 0 if len(query) <= _SHOWN else max(0, min(start - _SHOWN // 2, len(query) - _SHOWN))
    stop = min(len(query), begin + _SHOWN)
    left, right = "..." if begin else "", "..." if stop < len(query) else ""
    before = left + printable(query[begin:start])
    wrong = printable(query[start : min(end, stop)])
    after = printable(query[min(end, stop) : stop]) + right
    marks = "^" * max(1, _width(wrong))
    picture = f"  {before}{wrong}{after}\n  {' ' * _width(before)}{marks}"
    return QueryError(f"{problem}\n{picture}", span=span)


def printable(text: str) -> str:
    """Any text on one line, of as many characters, and harmless to a terminal."""
    return "".join(
        sign if sign.isprintable() else " " if sign.isspace() else "\N{REPLACEMENT CHARACTER}"
        for sign in text
    )


def _width(text: str) -> int:
    """Cells of a terminal."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )
