"""Asking a store: who wore what, when and where."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import InputError, OutputError
from edgeattr.search.query import (
    Answered,
    Has,
    Period,
    Probability,
    Query,
    TimeOfDay,
    WallClock,
    leaves,
)
from edgeattr.search.query.conditions import Leaf, terms
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.store.conditions_sql import ConditionsSql
from edgeattr.search.store.database import check_schema, network_file_system
from edgeattr.search.store.match_reasons import MatchReason, condition_text
from edgeattr.search.store.records import answer_of, event_from_row, packed_id
from edgeattr.search.store.search_request import SearchRequest, SearchResult
from edgeattr.search.store.table import PEOPLE, Catalog

_BUSY_S = 10.0
_TOGETHER = 500  # conditions; a SELECT has 2000 columns at most


class PeopleReader(Closeable):
    """Reads a store, also while others write. One thread at a time may use it.

    Args:
        path: the file.

    Raises:
        InputError: there is no such file, or it is not a store that this version knows.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(f"{path}: no such store; `edgeattr run --store` makes one")
        self._path, self._place = path, "in this store"
        self._catalog = Catalog()
        with self._input_errors():
            self._connection = _opened(path)
        self._connection.row_factory = sqlite3.Row

    def find(self, query: str | Query | None = None, **limits: Any) -> list[dict[str, Any]]:
        """Records of people for whom a query holds, the newest hundred.

        Args:
            query: such as ``backpack and not hat``, as ``docs/find.md`` has it, or as conditions
                of :mod:`edgeattr.search.query`; None finds everybody.
            limits: further fields of :class:`SearchRequest`: ``since="2h ago"``, ``limit=None``.

        Raises:
            QueryError: the query cannot be read, or names what the store does not know; the
                message points at it and names what is nearest.
            InputError: the file cannot be read.
        """
        return self.search(SearchRequest(query=query, **limits)).records

    def count(self, query: str | Query | None = None, **limits: Any) -> int:
        """How many people :meth:`find` would find without a limit; raises as it does."""
        return self.search(SearchRequest(query=query, **limits, limit=0)).total

    def search(self, question: SearchRequest) -> SearchResult:
        """Answer a question; raises as :meth:`find`."""
        tree = question.tree()
        with self._snapshot() as connection:
            self._catalog.read(connection)
            known = self.known_names(question.text)
            sql = ConditionsSql(
                self._catalog, known, min_p=question.min_p,
                offset=lambda: clock_offset(connection, question.clock),
            )  # fmt: skip
            where = sql.condition(tree)
            (total,) = connection.execute(
                f"SELECT count(*) FROM people WHERE {where}", sql.values
            ).fetchone()
            timeless = 0
            if tree is not None and any(
                isinstance(leaf, Period | TimeOfDay) for leaf in leaves(tree)
            ):
                query = "SELECT count(*) FROM people WHERE time IS NULL"
                (timeless,) = connection.execute(query).fetchone()
            shown = total if question.limit is None else min(total, question.limit)
            records: list[dict[str, Any]] = []
            why: list[list[MatchReason]] = []
            if shown:
                by_index = sql.indexed or total >= 4 * shown  # else each row is looked up for it
                order = _order(question, sql, tree, by_index)
                best = connection.execute(
                    f"SELECT person FROM people WHERE {where} ORDER BY {order} LIMIT {shown}",
                    sql.values,
                )
                people = [row[0] for row in best.fetchall()]
                records = list(self._events("person = ?", people))
                if question.reasons:
                    asked = list(dict.fromkeys(terms(tree))) if tree is not None else []
                    why = [
                        self._reasons(asked, sql, question.clock, person, record)
                        for person, record in zip(people, records, strict=True)
                    ]
        return SearchResult(records=records, total=total, timeless=timeless, reasons=why)

    def known_names(self, text: str | None = None) -> KnownNames:
        """The attributes and streams that records have, by name.

        Args:
            text: a query that messages should point into.
        """
        with self._input_errors():
            self._catalog.read(self._connection)
        return self._catalog.known(self._place, text)

    def get(self, person: str) -> dict[str, Any] | None:
        """The record with that id, or None."""
        with self._snapshot() as connection:
            self._catalog.read(connection)
            return next(self._events("id = ?", [packed_id(person)]), None)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._connection.close()

    def _events(self, where: str, values: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """The record for each value that a column has."""
        streams = {number: name for name, number in self._catalog.streams.items()}
        for value in values:
            for row in self._connection.execute(f"SELECT * FROM people WHERE {where}", (value,)):
                values_by_column = dict(zip(row.keys(), row, strict=True))
                yield event_from_row(values_by_column, self._catalog, streams[row["stream"]])

    def _reasons(
        self,
        asked: Sequence[tuple[Leaf, bool]],
        sql: ConditionsSql,
        clock: WallClock,
        person: int,
        record: Mapping[str, Any],
    ) -> list[MatchReason]:
        """Every condition of a query in its order, and whether it holds for a person."""
        known, found = self._catalog.known(self._place), []
        for start in range(0, len(asked), _TOGETHER):
            some = asked[start : start + _TOGETHER]
            columns = ", ".join(f"{sql.condition(leaf, wanted)} IS TRUE" for leaf, wanted in some)
            statement = f"SELECT {columns} FROM people WHERE person = {person}"
            row = self._connection.execute(statement, sql.values).fetchone()
            for (leaf, wanted), holds in zip(some, row, strict=True):
                name = leaf.name if isinstance(leaf, Has | Answered | Probability) else None
                own = name and (known.attribute(name, None) or name)
                answer = answer_of(record, own) if own else None
                text = condition_text(leaf, wanted, clock)
                p = answer[1] if answer else None
                found.append(MatchReason(text=text, holds=bool(holds), attribute=own, p=p))
        return found

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


def _opened(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; raises as :func:`check_schema` does."""
    alone = not path.with_name(f"{path.name}-wal").exists()  # nobody has left anything unfinished
    if kind := network_file_system(path):
        if not alone:
            raise InputError(
                f"{path}: is being written, and lies on a network file system ({kind}), through "
                "which SQLite cannot tell readers what is new; ask on the machine that writes it"
            )
        return _connected(path, "mode=ro&immutable=1")
    try:
        return _connected(path, "mode=ro")
    except sqlite3.OperationalError:
        # SQLite keeps notes of its readers beside the file, and may not here
        if not alone:
            raise
        return _connected(path, "mode=ro&immutable=1")


def _connected(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, timeout=_BUSY_S,
        isolation_level=None, check_same_thread=False,
    )  # fmt: skip
    try:
        check_schema(connection, path, PEOPLE)
    except BaseException:
        connection.close()
        raise
    return connection


def _order(question: SearchRequest, sql: ConditionsSql, tree: Query | None, by_index: bool) -> str:
    """What comes first; ``+`` keeps SQLite from following the index."""
    if question.order == "p":
        return f"{sql.score(tree)} DESC, +time DESC, person DESC"
    return f"{'' if by_index else '+'}time DESC, person DESC"


def clock_offset(connection: sqlite3.Connection, clock: WallClock) -> str:
    """What the wall clock is ahead of UTC at the time of each row, as an expression."""
    first, last = connection.execute(  # so asked, each is found at once
        "SELECT (SELECT min(time) FROM people), (SELECT max(time) FROM people)"
    ).fetchone()
    offsets = [] if first is None else clock.offsets(first, last)
    if len({offset for _, offset in offsets}) < 2:
        return str(offsets[0][1] if offsets else 0)
    pairs = itertools.pairwise(offsets)
    cases = " ".join(f"WHEN time < {end} THEN {offset}" for (_, offset), (end, _) in pairs)
    return f"CASE {cases} ELSE {offsets[-1][1]} END"
