"""``schema.toml``: the attributes of a user's own data set.

licence = "ours, for internal use"     # optional
exclusive = [["young", "old"]]         # optional: sets of which at most one holds

[[attributes]]
name = "helmet"
group = "head"                         # optional
sensitive = false                      # optional: reported only when asked for
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgeattr.core.config import build, read_toml
from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import Attribute, AttributeSchema

__all__ = ["RESERVED", "read_schema"]

RESERVED = ("path", "split", "person", "x", "y", "w", "h")  # columns that are no attributes


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One ``[[attributes]]``."""

    name: str = ""
    group: str = "own"
    source: str = ""  # the name if none is given
    sensitive: bool = False


@dataclass(frozen=True, kw_only=True)
class _Schema:
    licence: str = "the owner's own data"
    exclusive: tuple[tuple[str, ...], ...] = ()
    attributes: tuple[_Entry, ...] = ()


def read_schema(path: Path) -> tuple[AttributeSchema, str]:
    """The schema and the licence of the data.

    Raises:
        InputError: missing, not TOML, or a key is unknown, missing or of the wrong type; the text
            names the file and the attribute.
    """
    if not path.exists():
        raise InputError(
            f"{path} is missing: it names the attributes, one [[attributes]] with a name each"
        )
    content = read_toml(path, what="schema")
    try:
        found = build(_Schema, content, what="schema")
        if not found.attributes:
            raise InputError("no attributes; write [[attributes]] and name = ... for each")
        attributes = tuple(_attribute(entry, k) for k, entry in enumerate(found.attributes, 1))
        return AttributeSchema(attributes, found.exclusive), found.licence
    except (UsageError, InputError) as error:
        raise InputError(f"{path}: {error}") from error


def _attribute(entry: _Entry, number: int) -> Attribute:
    if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", entry.name) or entry.name in RESERVED:
        raise InputError(
            f"attribute {number} has the name {entry.name!r}; expected lower-case letters and "
            f"digits, words joined by _, and none of {', '.join(RESERVED)}"
        )
    source = entry.source or entry.name
    return Attribute(name=entry.name, group=entry.group, source=source, sensitive=entry.sensitive)
