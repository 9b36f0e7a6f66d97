"""A user's own attributes: ``schema.toml`` and CSV tables of images.

A directory holds ``schema.toml`` ::

    licence = "ours, for internal use"     # optional
    exclusive = [["young", "old"]]         # optional: sets of which at most one holds

    [[attributes]]
    name = "helmet"
    group = "head"                         # optional
    sensitive = false                      # optional: reported only when asked for

and ``train.csv``, ``val.csv``, ``test.csv``, or one CSV with a column ``split``. Columns: ``path``
(relative to the CSV), one per attribute (1, 0; empty, ``?`` or -1 for unknown), and if need be
``person`` (any text) and ``x``, ``y``, ``w``, ``h`` (a box in whole pixels).

Tables as pandas, spreadsheets and annotation tools write them are taken where they mean one thing:
1.0, True, yes and NaN as values; names in other case or with spaces; semicolons or tabs between
cells; backslashes in paths; an index column. Further columns are passed over with a warning.
"""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from edgeattr.core.config import build, read_toml
from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr_train.data.annotations import Annotations, stable_ids

RESERVED = ("path", "split", "person", "x", "y", "w", "h")  # columns that are no attributes
_BOX = ("x", "y", "w", "h")
_INDEX = ("", "unnamed:_0", "index")  # what pandas calls the column of its row numbers
_NAMED = 5  # how many faults an error spells out


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


_VALUES = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no"), 0),
    **dict.fromkeys(("-1", "-1.0", "?", "", "nan", "na", "n/a", "none", "null", "<na>"), -1),
}
_LOG = logging.getLogger("edgeattr.train")


@dataclass
class _Rows:
    """What is read of one CSV, and what is wrong with it."""

    paths: list[Path] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)  # path and box as written -> line
    persons: list[str] = field(default_factory=list)  # "" where not told
    boxes: list[list[int]] = field(default_factory=list)
    labels: list[list[int]] = field(default_factory=list)
    values: set[str] = field(default_factory=set)  # labels as written, in lower case
    faults: list[str] = field(default_factory=list)


def open_csv(place: Path, split: str) -> Annotations:
    """One split of a user's own data set.

    Args:
        place: the directory, or a CSV with a column ``split`` beside ``schema.toml``.
        split: the CSV's name without suffix, or a value of the column ``split``.

    Raises:
        UsageError: no such split.
        InputError: a file is missing or faulty; the text names file, line and column.
    """
    if not place.exists():
        raise InputError(f"{place} does not exist; --data csv:DIR wants schema.toml and CSV tables")
    directory = place if place.is_dir() else place.parent
    schema, licence = read_schema(directory / "schema.toml")
    table = _table_file(place, split)
    rows = _read_rows(table, schema, None if table.stem == split else split)
    ids = stable_ids(rows.keys)
    named = stable_ids(f"person {person}" for person in rows.persons)
    return Annotations(
        name=directory.resolve().name,
        split=split,
        schema=schema,
        licence=licence,
        root=directory,
        paths=tuple(rows.paths),
        raw=np.array(rows.labels, np.int64),
        coding={1: 1, 0: 0, -1: -1},
        ids=ids,
        persons=np.where([bool(person) for person in rows.persons], named, ids),
        boxes=np.array(rows.boxes, np.int32) if rows.boxes else None,
    )


def _table_file(place: Path, split: str) -> Path:
    if place.is_file():
        return place
    if (place / f"{split}.csv").is_file():
        return place / f"{split}.csv"
    tables = sorted(place.glob("*.csv"))
    if len(tables) == 1 and tables[0].stem not in ("train", "val", "test"):
        return tables[0]
    raise UsageError(
        f"{place} has no split {split!r}: no {split}.csv and no single CSV with a column split; "
        f"it has {', '.join(path.name for path in tables) or 'no CSV'}"
    )


def _read_rows(table: Path, schema: AttributeSchema, split: str | None) -> _Rows:
    """The rows of a CSV; with ``split`` those whose column ``split`` says so."""
    rows, splits = _Rows(), set()
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True, delimiter=_delimiter(stream))
            header = list(map(_column, next(reader, [])))
            _check_header(table, header, schema, split)
            for cells in filter(None, reader):  # a blank line has no cells
                record = dict(zip(header, map(str.strip, cells), strict=False))
                splits.add(record.get("split", ""))
                if len(cells) != len(header):
                    what = f"{len(cells)} cells; the header has {len(header)}"
                    rows.faults.append(f"line {reader.line_num} has {what}")
                elif split is None or record["split"] == split:
                    _add(rows, record, schema, reader.line_num, table.parent)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not a CSV in UTF-8 that can be read ({error})") from error
    if {"-1", "-1.0"} & rows.values and {_VALUES[value] for value in rows.values} == {-1, 1}:
        rows.faults.append(
            "the labels are 1 and -1 and never 0, so -1 may mean no or unknown; write 0 for no, "
            "? for unknown"
        )
    if rows.faults:
        more = f" and {len(rows.faults) - _NAMED} more" if len(rows.faults) > _NAMED else ""
        raise InputError(f"{table}: {'; '.join(rows.faults[:_NAMED])}{more}")
    if not rows.paths:
        known = f"; the column split has {', '.join(sorted(splits)) or 'nothing'}" if split else ""
        raise UsageError(f"{table} has no images of {split or table.stem!r}{known}")
    return rows


def _check_header(
    table: Path, header: Sequence[str], schema: AttributeSchema, split: str | None
) -> None:
    required = ["path", *schema.names, *(["split"] if split else [])]
    if set(_BOX) & set(header):
        required += _BOX
    missing = [name for name in required if name not in header]
    known = {*schema.names, *RESERVED}
    repeated = sorted({name for name in known if header.count(name) > 1})
    for what, names in (("lacks", missing), ("repeats", repeated)):
        if names:
            raise InputError(
                f"{table}, line 1: the header {what} the columns {', '.join(map(repr, names))}; "
                f"expected path, {', '.join(schema.names)} and, if need be, "
                f"{', '.join(RESERVED[1:])}"
            )
    further = [name for name in header if name not in known and name not in _INDEX]
    if further:
        _LOG.warning("%s: passed over the columns %s", table, ", ".join(map(repr, further)))


def _delimiter(stream: TextIO) -> str:
    """What separates the cells of the header: a comma, semicolon or tab, whichever it has most."""
    header = stream.readline()
    stream.seek(0)
    return max(",;\t", key=header.count)


def _column(name: str) -> str:
    """A column's name as a schema writes it: ``Long hair`` is ``long_hair``."""
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


def _add(
    rows: _Rows, record: dict[str, str], schema: AttributeSchema, line: int, folder: Path
) -> None:
    """Take one row in, or note what is wrong with it."""
    before = len(rows.faults)
    for name in schema.names:
        if record[name].casefold() not in _VALUES:
            rows.faults.append(
                f"line {line}, column {name}: {record[name]!r}; expected 1, 0, or ? for unknown"
            )
    box = _box(rows, record, line) if "x" in record else []
    path = record["path"] if "/" in record["path"] else record["path"].replace("\\", "/")
    key = " ".join([path, *map(str, box)])
    if not path:
        rows.faults.append(f"line {line}, column path: empty")
    elif key in rows.keys:
        rows.faults.append(f"line {line}, column path: {key} is in line {rows.keys[key]} too")
    if len(rows.faults) > before:
        return
    rows.paths.append(folder / path)
    rows.keys[key] = line
    rows.persons.append(record.get("person", ""))
    values = [record[name].casefold() for name in schema.names]
    rows.labels.append([_VALUES[value] for value in values])
    rows.values.update(values)
    if box:
        rows.boxes.append(box)


def _box(rows: _Rows, record: dict[str, str], line: int) -> list[int]:
    box = []
    for name in _BOX:
        least = 1 if name in "wh" else 0
        try:
            value = int(record[name].removesuffix(".0"))
        except ValueError:
            value = least - 1
        if value < least:
            rows.faults.append(
                f"line {line}, column {name}: {record[name]!r}; expected whole pixels from {least}"
            )
        box.append(value)
    return box
