"""How pages write numbers, sizes, times and facts: the filters of every template."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

_ABSENT = "n/a"  # what is undefined or was not measured
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))  # decimal, as sellers of storage count
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|\+00:00)?")
_SPACE = "\N{NO-BREAK SPACE}"


def breakable(name: str) -> Markup:
    """A name that may go on in the next line after an underscore."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def finite(value: Any, otherwise: float = 0.0) -> float:
    """The number, or ``otherwise`` for None, NaN, infinity and what is no number."""
    known = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if known else otherwise


def figure(value: Any, places: int = 2, unit: str = "") -> str:
    """A number with a true minus sign and its unit; "n/a" if it is none."""
    number = finite(value, math.nan)
    if math.isnan(number):
        return _ABSENT
    text = f"{number:.{places}f}"
    if not float(text):
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}") + unit.replace(" ", _SPACE)


def change(value: Any, places: int = 2) -> str:
    """A difference, always with its sign."""
    sign = "+" if round(finite(value), places) > 0 else ""
    return sign + figure(value, places)


def size(count: float) -> str:
    """A file's size, e.g. "6.20 MB"."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.2f}{_SPACE}{name}"
    return f"{count:.0f}{_SPACE}bytes"


def share(part: float, whole: float) -> str:
    """A part in percent of the whole; "n/a" if that is nothing."""
    return figure(100 * part / whole if whole else None, 0, " %")


def moment(text: str) -> str:
    """A time in ISO 8601, UTC, as people read it; other text as it is."""
    found = _MOMENT.fullmatch(text)
    return f"{found[1]} {found[2]} UTC" if found else text


def fact(value: Any) -> str:
    """A value of a bundle's facts in words: numbers rounded, tables and lists written out."""
    if isinstance(value, Mapping):
        return ", ".join(f"{str(key).replace('_', ' ')} {fact(v)}" for key, v in value.items())
    if isinstance(value, list | tuple):
        separator = "; " if any(isinstance(entry, Mapping) for entry in value) else ", "
        return separator.join(map(fact, value)) or "none"
    if isinstance(value, float):
        return figure(value, 2 if abs(value) >= 1 else 4)
    return _ABSENT if value is None else str(value)
