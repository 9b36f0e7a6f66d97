"""The table of people: one row a person, two columns an attribute.

The column of an attribute holds the answer (1 yes, 0 no, NULL unknown), the column beside it the
probability in ten-thousandths (NULL if that was never asked of this person). So SQL's three-valued
logic is the query language's, and a new attribute is a new column.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgeattr.core.errors import OutputError
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.store.database import DatabaseSchema

P_SCALE = 10_000  # probabilities are stored as whole numbers of ten-thousandths
_BITS = 62  # of an integer, each an answer
_WORDS = ("yes_0", "no_0", "yes_1", "no_1")
_MOST_COLUMNS = 1900  # SQLite's tables have 2000 at most

_MOST_STATEMENTS = 64  # one for each set of attributes and colours that records have
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,60}")  # names of columns that people can type

# SQLite reads a row from the left, so what queries ask for comes first. Answers are there once more
# as bits, which lie with the times in an index that a scan reads in place of the rows.
_TABLE = """
CREATE TABLE people (
    person INTEGER PRIMARY KEY,
    time INTEGER,                   -- when last seen, milliseconds since 1970, UTC
    stream INTEGER NOT NULL REFERENCES streams,
    seen_ms INTEGER NOT NULL,       -- from first to last seen
    yes_0 INTEGER NOT NULL,         -- a bit for each attribute that is answered yes
    no_0 INTEGER NOT NULL,          -- and for each that is answered no
    yes_1 INTEGER NOT NULL,
    no_1 INTEGER NOT NULL,
    {middle}first_s REAL,                   -- seconds from the start of the stream
    last_s REAL,
    id BLOB UNIQUE,                 -- 16 bytes of a UUID, or a text
    track INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    crops_classified INTEGER NOT NULL,
    x REAL NOT NULL,                -- box where seen last, pixels
    y REAL NOT NULL,
    width REAL NOT NULL,
    height REAL NOT NULL,
    more TEXT,                      -- fields of the record that have no column, as JSON
    kept_from INTEGER               -- retention counts from here, if the time lay in the future
);
CREATE INDEX people_by_time ON people (time, stream, seen_ms, yes_0, no_0, yes_1, no_1);
CREATE INDEX people_by_kept_from ON people (kept_from) WHERE kept_from IS NOT NULL"""

_OTHERS = """
CREATE TABLE streams (stream INTEGER PRIMARY KEY, name NOT NULL UNIQUE);
CREATE TABLE attributes (
    name NOT NULL UNIQUE,
    answer TEXT NOT NULL,           -- column of people; the one with the probability ends in _p
    colour TEXT,                    -- the attribute holds where that is the answer; NULL: where 1
    bit INTEGER                     -- of yes_0 and no_0; from 62 on, of yes_1 and no_1; NULL: none
);
CREATE TABLE visits (
    person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
    zone NOT NULL,
    dwell_ms INTEGER NOT NULL,      -- spent in it altogether
    PRIMARY KEY (person, zone)
) WITHOUT ROWID;
CREATE INDEX visits_by_zone ON visits (zone, person, dwell_ms);
CREATE TABLE crossings (
    person INTEGER NOT NULL REFERENCES people ON DELETE CASCADE,
    line NOT NULL,
    "in" INTEGER NOT NULL,          -- times that the person crossed it from its left to its right
    "out" INTEGER NOT NULL,         -- and the other way
    PRIMARY KEY (person, line)
) WITHOUT ROWID;
CREATE INDEX crossings_by_line ON crossings (line, person, "in", "out");
CREATE TABLE alerts (
    alert INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,          -- milliseconds since 1970, UTC
    rule NOT NULL,                  -- its name
    stream INTEGER NOT NULL REFERENCES streams,
    track INTEGER NOT NULL,
    at_s REAL NOT NULL,             -- seconds from the start of the stream
    zone,                           -- that the person was in, of those that the rule asks for
    crop,                           -- file of the person's picture, where crops are kept
    person_id BLOB,                 -- id of the person's record, as in people
    id BLOB UNIQUE,                 -- 16 bytes of a UUID, or a text
    more TEXT                       -- fields of the event that have no column, as JSON
);
CREATE INDEX alerts_by_time ON alerts (time, rule, stream);
CREATE TABLE audit (
    entry INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,          -- milliseconds since 1970, UTC
    act TEXT NOT NULL,
    who TEXT NOT NULL,              -- the user's name on the system
    pid INTEGER NOT NULL,
    detail TEXT NOT NULL            -- JSON
)"""

PEOPLE = DatabaseSchema(
    kind="store of people",
    application_id=0x45417470,
    version=4,
    script=f"{_TABLE.format(middle='')};\n{_OTHERS}".strip(),
)


@dataclass(frozen=True)
class Attribute:
    """Where the answers of an attribute are."""

    column: str  # its answer; the probability is in the column of that name and "_p"
    colour: str | None = None  # of an attribute that holds if the answer is this colour
    bit: int | None = None  # of the columns of many answers, if it is among them

    @property
    def answer_sql(self) -> str:
        """Expression of 1, 0 or NULL."""
        column = identifier(self.column)
        return column if self.colour is None else f"({column} = {_literal(self.colour)})"

    def bit_sql(self, answer: Literal["yes", "no"]) -> str:
        """Expression that is not 0 if that was answered, from the columns of many answers."""
        assert self.bit is not None
        return f"({answer}_{self.bit // _BITS} & {1 << self.bit % _BITS})"

    @property
    def p_sql(self) -> str:
        """Expression of ten-thousandths or NULL; of a colour not answered, what that one leaves."""
        column = identifier(f"{self.column}_p")
        if self.colour is None:
            return column
        return f"(CASE WHEN {self.answer_sql} THEN {column} ELSE {P_SCALE} - {column} END)"


@dataclass
class Catalog:
    """The attributes and streams of a database, as far as they have been read or written."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    streams: dict[str, int] = field(default_factory=dict)
    zones: list[str] = field(default_factory=list)  # that anybody was in
    lines: list[str] = field(default_factory=list)  # that anybody crossed
    _statements: dict[Any, str] = field(default_factory=dict)

    def read(self, connection: sqlite3.Connection) -> None:
        """Bring it up to date."""
        self.forget()
        for name, *where in connection.execute("SELECT * FROM attributes ORDER BY rowid"):
            self.attributes[text_from_stored(name)] = Attribute(*where)
        for number, name in connection.execute("SELECT * FROM streams ORDER BY stream"):
            self.streams[text_from_stored(name)] = number
        self.zones = _distinct(connection, "visits", "zone")
        self.lines = _distinct(connection, "crossings", "line")

    def forget(self) -> None:
        """Empty it: after a rollback, some names may never have been written."""
        for names in (self.attributes, self.streams, self._statements):
            names.clear()

    def known(self, place: str, text: str | None = None) -> KnownNames:
        """Its names; ``text`` is a query that messages should point into."""
        return KnownNames(
            attributes=tuple(self.attributes), streams=tuple(self.streams),
            zones=self.zones, lines=self.lines, place=place, text=text,
        )  # fmt: skip

    def stream(self, connection: sqlite3.Connection, name: str) -> int:
        """The number of a stream, which is written if it is new."""
        if name not in self.streams:
            stored = (stored_text(name),)
            connection.execute("INSERT OR IGNORE INTO streams (name) VALUES (?)", stored)
            query = "SELECT stream FROM streams WHERE name = ?"
            self.streams[name] = int(connection.execute(query, stored).fetchone()[0])
        return self.streams[name]

    def insert_statement(
        self,
        connection: sqlite3.Connection,
        columns: tuple[str, ...],
        answers: tuple[str, ...],
        colours: tuple[tuple[str, str], ...],
    ) -> str:
        """An INSERT of one person; attributes that are new get their columns.

        Args:
            connection: within a transaction.
            columns: of the person; the stream, and what :meth:`words` gives, come after them.
            answers: names of attributes that are answered yes, no or unknown, by two columns each.
            colours: names of parts of the body, each with the colour that it is answered with.

        Raises:
            OutputError: the table would have too many columns; nothing was changed.
        """
        names = [*answers, *(colour_name(*pair) for pair in colours)]
        if not self.attributes.keys() >= set(names):
            self._add(connection, answers, colours)
        key = answers, tuple(part for part, _ in colours)
        if key not in self._statements:
            found = [self.attributes[name].column for name in names]
            pairs = [name for column in found for name in (column, f"{column}_p")]
            every = (*columns, "stream", *_WORDS, *pairs)
            places = ", ".join("?" * len(every))
            if len(self._statements) >= _MOST_STATEMENTS:
                self._statements.clear()
            self._statements[key] = (
                f"INSERT INTO people ({', '.join(map(identifier, every))}) VALUES ({places}) "
                "ON CONFLICT (id) DO NOTHING"
            )
        return self._statements[key]

    def words(self, answers: Mapping[str, tuple[int | None, int]]) -> list[int]:
        """The answers as bits: yes_0, no_0, yes_1, no_1."""
        words = [0] * len(_WORDS)
        for name, (answer, _) in answers.items():
            bit = self.attributes[name].bit
            if answer is not None and bit is not None:
                words[2 * (bit // _BITS) + (answer == 0)] |= 1 << bit % _BITS
        return words

    def _add(
        self,
        connection: sqlite3.Connection,
        answers: tuple[str, ...],
        colours: tuple[tuple[str, str], ...],
    ) -> None:
        self.read(connection)  # another process may have added some
        query = "SELECT 1 FROM people LIMIT 1"
        empty = not self.attributes and connection.execute(query).fetchone() is None
        taken = {row[1].casefold() for row in connection.execute("PRAGMA table_xinfo(people)")}
        new: dict[str, Attribute] = {}
        fresh: dict[str, str] = {}  # columns and their types
        used = sum(known.colour is None for known in self.attributes.values())
        bits = iter(range(used, _BITS * len(_WORDS) // 2))
        for name in answers:
            if name not in self.attributes:
                bit = next(bits, None)
                new[name] = Attribute(_free_column(name, taken), bit=bit)
                fresh[new[name].column] = "INTEGER"
        parts = {
            name.removeprefix(f"{known.colour}_"): known.column
            for name, known in self.attributes.items() if known.colour is not None
        }  # fmt: skip
        for part, colour in colours:
            name = colour_name(part, colour)
            if part not in parts:
                parts[part] = _free_column(f"{part}_colour", taken)
                fresh[parts[part]] = "TEXT"
            if name not in self.attributes and name not in new:
                new[name] = Attribute(parts[part], colour)
        if len(taken) > _MOST_COLUMNS:
            raise OutputError(f"{len(taken)} columns of attributes; at most {_MOST_COLUMNS} fit")
        fresh = {**{f"{column}_p": "INTEGER" for column in fresh}, **fresh}
        _add_columns(connection, fresh, empty)
        connection.executemany(
            "INSERT INTO attributes VALUES (?, ?, ?, ?)",
            [(stored_text(name), *dataclasses.astuple(found)) for name, found in new.items()],
        )
        self.attributes.update(new)


def _distinct(connection: sqlite3.Connection, table: str, column: str) -> list[str]:
    """The values of an indexed column, each found by itself: there are few of many rows."""
    found = connection.execute(
        f"WITH RECURSIVE each (name) AS (SELECT min({column}) FROM {table} UNION ALL "
        f"SELECT (SELECT min({column}) FROM {table} WHERE {column} > name) FROM each "
        "WHERE name IS NOT NULL) SELECT name FROM each WHERE name IS NOT NULL"
    )
    return [text_from_stored(name) for (name,) in found]


def identifier(name: str) -> str:
    """A column's name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def colour_name(part: str, colour: str) -> str:
    """The attribute that queries name if a part of the body has a colour: ``red_upper_body``."""
    return f"{colour}_{part}"


def stored_text(text: str) -> str | bytes:
    """Text for SQLite, which has no words for file names that are not Unicode: those as bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def text_from_stored(stored: str | bytes) -> str:
    """The opposite of :func:`stored_text`."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def _add_columns(connection: sqlite3.Connection, columns: Mapping[str, str], empty: bool) -> None:
    """Make columns: in the middle of a table that is empty, or at the end."""
    definitions = [f"{identifier(name)} {kind}" for name, kind in columns.items()]
    if not empty:
        for definition in definitions:
            connection.execute(f"ALTER TABLE people ADD COLUMN {definition}")
        return
    connection.execute("DROP TABLE people")
    middle = "".join(f"{definition},\n    " for definition in definitions)
    for statement in _TABLE.format(middle=middle).split(";\n"):
        connection.execute(statement)


def _free_column(name: str, taken: set[str]) -> str:
    """A column's name like that of the attribute, which is then taken, and that with ``_p``."""
    base = name if _COLUMN.fullmatch(name) else "attribute"
    names = itertools.chain([base], (f"{base}_{number}" for number in itertools.count(2)))
    found = next(name for name in names if not taken & {name, f"{name}_p"})
    taken.update((found, f"{found}_p"))
    return found


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
