"""Asking a store: who wore what, when and where."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from edgeattr.core.closing import Closing
from edgeattr.core.errors import InputError, OutputError
from edgeattr.search.query import Query
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.store.best import Best
from edgeattr.search.store.blocks import read_blocks
from edgeattr.search.store.database import check_layout
from edgeattr.search.store.plan import time_span
from edgeattr.search.store.question import Found, Order, Question
from edgeattr.search.store.records import event_from_rows, iso_time, packed_id
from edgeattr.search.store.tables import PEOPLE

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
            try:
                self._connection = _connected(path, "mode=ro")
            except sqlite3.OperationalError:
                # SQLite keeps notes of its readers beside the file, and may not here; where nobody
                # has left anything unfinished beside it, the file alone is the whole store
                if path.with_name(f"{path.name}-wal").exists():
                    raise
                self._connection = _connected(path, "mode=ro&immutable=1")
        self._connection.row_factory = sqlite3.Row

    def find(
        self,
        query: str | Query | None = None,
        *,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        streams: Sequence[str] = (),
        min_p: float = 0.0,
        limit: int | None = 100,
        order: Order = "newest",
    ) -> list[dict[str, Any]]:
        """Records of people for whom a query holds.

        Args:
            query: such as ``backpack and not hat``, as ``docs/find.md`` has it, or as conditions
                of :mod:`edgeattr.search.query`; None finds everybody.
            since: last seen at that time or later: text as in a query, or a datetime. Where no
                zone is named, it is this machine's.
            until: last seen before that time; of a day, before its end.
            streams: in one of these; none are all.
            min_p: answers without a bound of their own count from that probability on, 0..1.
            limit: at most so many, None for all.
            order: ``newest`` first by when they were last seen, or by ``p`` the most probable.

        Raises:
            QueryError: the query cannot be read, or names what the store does not know; the
                message points at it and names what is nearest.
            InputError: the file cannot be read.
        """
        return self.search(
            Question(
                query=query, since=since, until=until, streams=streams,
                min_p=min_p, limit=limit, order=order,
            )
        ).records  # fmt: skip

    def count(
        self,
        query: str | Query | None = None,
        *,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        streams: Sequence[str] = (),
        min_p: float = 0.0,
    ) -> int:
        """How many people :meth:`find` would find without a limit; raises as it does."""
        asked = Question(query=query, since=since, until=until, streams=streams, min_p=min_p)
        return self.search(dataclasses.replace(asked, limit=0)).total

    def search(self, question: Question) -> Found:
        """Answer a question; raises as :meth:`find`."""
        tree = question.tree()
        with self._snapshot():
            plan = question.plan(tree, self.known_names(question.text))
            best = Best(question.limit)
            blocks = read_blocks(
                self._connection, plan.attributes, *time_span(tree), durations=plan.needs_durations
            )
            for block in blocks:
                meant = np.flatnonzero(plan.among(block))
                if question.limit == 0:
                    best.total += len(meant)
                    continue
                times, by_p = block.times[meant], question.order == "p"
                keys = plan.scores(block.at(meant)) if by_p else times
                best.add(keys, times, block.persons[meant])
            records = list(self._events("person = ?", best.persons()))
        return Found(records=records, total=best.total)

    def known_names(self, text: str | None = None) -> KnownNames:
        """The attributes and streams that the store has seen, by name.

        Args:
            text: a query that messages should point into.
        """
        return KnownNames(
            attributes=self._numbers("attribute"), streams=self._numbers("stream"), text=text
        )

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


def _connected(path: Path, options: str) -> sqlite3.Connection:
    """A connection to a store that was looked at; raises as :func:`check_layout` does."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, timeout=_BUSY_S,
        isolation_level=None, check_same_thread=False,
    )  # fmt: skip
    try:
        check_layout(connection, path, PEOPLE)
    except BaseException:
        connection.close()
        raise
    return connection
