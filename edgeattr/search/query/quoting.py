"""How names are written in a query."""

from __future__ import annotations

import re
import unicodedata

RESERVED = (
    "and", "or", "not", "is", "between", "stream", "seen", "since", "after", "before", "until",
    "last", "today", "yesterday", "zone", "dwell", "crossed",
)  # fmt: skip
"""Words that no unquoted name holds."""

WORD = rf"(?!(?:{'|'.join(RESERVED)})(?![\w-]))[^\W\d][\w-]*"
"""A word of a name without quotes, as a regular expression to be used without regard to case."""

_BARE = re.compile(rf"{WORD}", re.IGNORECASE)


def joined(words: list[str]) -> str:
    """The name that is meant by words without quotes: ``Long hair``, ``long-hair``."""
    return "_".join(words).replace("-", "_").casefold()


def bare_or_quoted(name: str) -> str:
    """A name as a query has it, in quotes only where it needs them."""
    bare = "-" not in name and name == name.casefold() and _BARE.fullmatch(name)
    return name if bare else quoted(name)


def plain_or_quoted(text: str) -> str:
    """The name of a zone or line, in quotes only where it needs them."""
    return text if re.fullmatch(r"[\w.]+", text) else quoted(text)


def quoted(text: str) -> str:
    """Any text between double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquoted(text: str) -> str:
    """What stands between quotes of either kind."""
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def loose(name: str) -> str:
    """What names have in common that mean the same: no case, and no matter which joint."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", name).casefold()).strip("_")
