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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.config import read_toml
from edgeattr.core.errors import InputError
from edgeattr.core.schema import Attribute, AttributeSchema

__all__ = ["RESERVED", "read_schema"]

RESERVED = ("path", "split", "person", "x", "y", "w", "h")  # columns that are no attributes

_LICENCE = "the owner's own data"
_KEYS: Mapping[str, type] = {"licence": str, "exclusive": list, "attributes": list}
_ATTRIBUTE_KEYS: Mapping[str, type] = {"name": str, "group": str, "sensitive": bool, "source": str}


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
    _check(content, _KEYS, str(path))
    entries = content.get("attributes", [])
    if not entries:
        raise InputError(f"{path}: no attributes; write [[attributes]] and name = ... for each")
    attributes = tuple(_attribute(entry, k, path) for k, entry in enumerate(entries, 1))
    try:
        exclusive = tuple(tuple(map(str, group)) for group in content.get("exclusive", []))
        return AttributeSchema(attributes, exclusive), content.get("licence", _LICENCE)
    except (TypeError, InputError) as error:
        raise InputError(f"{path}: {error}") from error


def _attribute(entry: Any, number: int, path: Path) -> Attribute:
    where = f"{path}: attribute {number}"
    if not isinstance(entry, dict):
        raise InputError(f"{where} is {entry!r}; expected a table with name = ...")
    _check(entry, _ATTRIBUTE_KEYS, where)
    name: str = entry.get("name", "")
    if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name) or name in RESERVED:
        raise InputError(
            f"{where} has the name {name!r}; expected lower-case letters and digits, words joined "
            f"by _, and none of {', '.join(RESERVED)}"
        )
    return Attribute(
        name=name,
        group=entry.get("group", "own"),
        source=entry.get("source", name),
        sensitive=entry.get("sensitive", False),
    )


def _check(table: Mapping[str, Any], kinds: Mapping[str, type], where: str) -> None:
    for key, value in table.items():
        if key not in kinds:
            raise InputError(f"{where}: unknown key {key!r}; known are {', '.join(kinds)}")
        if not isinstance(value, kinds[key]):
            raise InputError(f"{where}: {key} = {value!r}; expected a {kinds[key].__name__}")
