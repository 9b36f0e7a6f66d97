"""Asking a store: who wore what, when and where."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from edgeattr.closing import Closing
from edgeattr.errors import InputError, OutputError
from edgeattr.store.blocks import read_blocks
from edgeattr.store.database import check_layout
from edgeattr.store.records import event_from_rows, iso_time, packed_id
from edgeattr.store.tables import PEOPLE
from edgeattr.store.wanted import Wanted, question

__all__ = ["PeopleReader"]

_BUSY_S = 10.0
_PERSON = "SELECT persons.*, name FROM persons JOIN streams USING (stream) WHERE "
_ANSWERS = "SELECT attribute, p, answer FROM answers WHERE person = ? ORDER BY attribute"


class PeopleReader(Closing):
    """Reads a store, also while others write. One thread at a time may use it.

    Args:
        path: the file.

    Raises:
        InputError: there is no such file, or it is not a store that this version knows.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(f"{path}: no such store; `edgeattr run --store` makes one")
        self._path = path
        with self._input_errors():
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S,
                isolation_level=None, check_same_thread=False,
            )  # fmt: skip
            try:
                check_layout(self._connection, path, PEOPLE)
            except BaseException:
                self._connection.close()
                raise
        self._connection.row_factory = sqlite3.Row

    def find(
        self,
        wanted: Sequence[Wanted] = (),
        *,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        streams: Sequence[str] = (),
        limit: int | None = 100,
    ) -> list[dict[str, Any]]:
        """Records of people of whom everything wanted is so, last seen first.

        Args:
            wanted: all of these must be so.
            since: last seen at that time or later; ISO 8601 in UTC, or a datetime.
            until: last seen before that time.
            streams: in one of these; none are all.
            limit: at most so many, None for all.

        Raises:
            UsageError: a name that the store does not know; the text lists those it knows.
            InputError: the file cannot be read.
        """
        with self._snapshot():
            found = self._matches(wanted, since, until, streams)
            newest = sorted(found, reverse=True)[:limit]
            return list(self._events("person = ?", [person for _, person in newest]))

    def count(
        self,
        wanted: Sequence[Wanted] = (),
        *,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        streams: Sequence[str] = (),
    ) -> int:
        """How many people :meth:`find` would find without a limit; raises as it does."""
        with self._snapshot():
            return len(self._matches(wanted, since, until, streams))

    def get(self, person: str) -> dict[str, Any] | None:
        """The record with that id, or None."""
        with self._snapshot():
            return next(iter(self._events("id = ?", [packed_id(person)])), None)

    def crop(self, person: str) -> bytes | None:
        """The JPEG kept with the record of that id, or None."""
        query = "SELECT jpeg FROM crops JOIN persons USING (person) WHERE id = ?"
        with self._snapshot() as connection:
            found = connection.execute(query, (packed_id(person),)).fetchone()
        return bytes(found["jpeg"]) if found else None

    def audit(self) -> list[dict[str, Any]]:
        """Everything noted about privacy, oldest first: time, act, who, pid, detail."""
        with self._snapshot() as connection:
            rows = connection.execute("SELECT * FROM audit ORDER BY entry").fetchall()
        return [
            {"time": iso_time(row["time"]), **{key: row[key] for key in row.keys()[2:]}}
            for row in rows
        ]

    def names(self, kind: str) -> tuple[str, ...]:
        """Every ``stream`` or ``attribute`` that the store has seen."""
        with self._snapshot():
            return tuple(self._numbers(kind))

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._connection.close()

    def _matches(
        self,
        wanted: Sequence[Wanted],
        since: str | datetime | None,
        until: str | datetime | None,
        streams: Sequence[str],
    ) -> list[tuple[int, int]]:
        """Time and number of each person who is meant."""
        numbers = {kind: self._numbers(kind) for kind in ("stream", "attribute")}
        asked = question(wanted, since, until, streams, numbers)
        found: list[tuple[int, int]] = []
        for block in read_blocks(self._connection, asked.attributes, asked.since, asked.until):
            places = asked.among(block)
            found += zip(block.times[places].tolist(), block.persons[places].tolist(), strict=True)
        return found

    def _numbers(self, kind: str) -> dict[str, int]:
        rows = self._connection.execute(f"SELECT name, {kind} FROM {kind}s ORDER BY {kind}")
        return {row[0]: row[1] for row in rows}

    def _events(self, where: str, values: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """The record of each value that a column has."""
        names = {number: name for name, number in self._numbers("attribute").items()}
        for value in values:
            for person in self._connection.execute(_PERSON + where, (value,)).fetchall():
                answers = self._connection.execute(_ANSWERS, (person["person"],))
                yield event_from_rows(
                    person, [(names[number], p, answer) for number, p, answer in answers]
                )

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """One state of the store for several queries."""
        with self._input_errors():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _input_errors(self) -> Iterator[None]:
        try:
            yield
        except OutputError as error:  # another kind of file, or a newer version
            raise InputError(str(error)) from error
        except sqlite3.Error as error:
            raise InputError(f"{self._path}: cannot be read ({error})") from error
