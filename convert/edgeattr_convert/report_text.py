"""How the conversion report writes text, figures and sizes as HTML."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from typing import Any

__all__ = [
    "ABSENT",
    "badge",
    "change",
    "figure",
    "finite",
    "moment",
    "plain",
    "share",
    "size",
    "table",
]

ABSENT = "n/a"  # what stands for a value that is undefined or was not measured

_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))  # decimal, as sellers of storage count
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|\+00:00)?")


def plain(text: object) -> str:
    """Any text as HTML that shows it, markup and quotes made harmless."""
    whole = str(text).encode("utf-8", "replace").decode()  # file names may hold broken characters
    return html.escape(whole)


def finite(value: Any) -> float | None:
    """The number, or None for None, NaN, infinity and what is no number."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def figure(value: Any, places: int, unit: str = "") -> str:
    """A number as HTML, with a true minus sign; "n/a" where there is none.

    Args:
        value: a number, None or NaN.
        places: digits after the point.
        unit: HTML that follows the number.
    """
    number = finite(value)
    if number is None:
        return ABSENT
    text = f"{number:.{places}f}"
    if not float(text):
        text = text.lstrip("-")
    return text.replace("-", "&minus;") + unit


def change(value: Any, places: int) -> str:
    """A difference as HTML, always with its sign."""
    text = figure(value, places)
    number = finite(value)
    return f"+{text}" if number is not None and round(number, places) > 0 else text


def size(count: float) -> str:
    """A file's size, e.g. "6.20 MB"."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.2f} {name}"
    return f"{count:.0f} bytes"


def share(part: float, whole: float) -> str:
    """A part in percent of the whole, or "n/a" where that is nothing."""
    return figure(100 * part / whole if whole else None, 0, "&nbsp;%")


def moment(text: str) -> str:
    """A time in ISO 8601, UTC, as people read it; other text as it is."""
    found = _MOMENT.fullmatch(text)
    return f"{found[1]} {found[2]} UTC" if found else plain(text)


def badge(met: bool) -> str:
    """A verdict in a word and a sign, so that its colour is never alone."""
    if met:
        return '<span class="badge met">&#10003; met</span>'
    return '<span class="badge broken">&#10007; not met</span>'


def table(label: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table whose first column names the row; it scrolls alone where it is too wide.

    Args:
        label: what it shows, plain text, for those who hear the page.
        head: HTML of each column's head.
        rows: HTML of each cell, as many as there are columns.
    """
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>\n'
        for first, *rest in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{plain(label)}" tabindex="0">\n<table>\n'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )
