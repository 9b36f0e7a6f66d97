"""A queue on disk for what is on its way over a network."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, TypeVar

from edgeattr.core.closeable import Closeable
from edgeattr.core.counted import counted
from edgeattr.core.errors import OutputError, UsageError
from edgeattr.core.files import open_exclusive
from edgeattr.core.hub import home
from edgeattr.core.rate_limit import RateLimit
from edgeattr.search.store.database import DatabaseSchema, GroupCommit, open_database, output_errors

_Result = TypeVar("_Result")
_LOG = logging.getLogger("edgeattr.outputs")
MOST_EVENTS = 100_000  # default limit of a spool
_TAKEN = "another process sends from this spool; give this one a spool of its own"
_QUEUE = DatabaseSchema(
    kind="spool",
    application_id=0x45417471,
    version=1,
    script="""
CREATE TABLE queue (number INTEGER PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE totals (events INTEGER NOT NULL, bytes INTEGER NOT NULL, dropped INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0, 0)
""".strip(),
)


class Entry(NamedTuple):
    """One thing in the queue."""

    number: int  # grows with each that is put
    payload: bytes


class Spool(Closeable):
    """First in, first out; what was put outlives a kill and a power cut.

    Beyond its limits it drops the oldest, counts them and says so in the log. A damaged file is
    set aside under another name. One process at a time may have it; any thread may use it.

    Args:
        path: the file; made if it is not there. ``NAME.lock`` beside it tells others off.
        max_events: how many may wait.
        max_bytes: how many bytes they may have together, without the file's own needs.
        taken: what to say if another process has it.

    Raises:
        UsageError: a limit is not positive.
        OutputError: the file cannot be written, another process has it, or it is of a newer
            version or another kind.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_events: int = MOST_EVENTS,
        max_bytes: int = 256 << 20,
        taken: str = _TAKEN,
    ) -> None:
        if max_events < 1 or max_bytes < 1:
            raise UsageError("a spool's limits are at least 1 event and 1 byte")
        self.path = path
        self._max_events, self._max_bytes = max_events, max_bytes
        self._log_limit = RateLimit()
        self._mending = threading.Lock()
        self._highest = 0  # number that was given out; a file in the place of a damaged one goes on
        self._lock = open_exclusive(path.with_name(path.name + ".lock"), taken=taken)
        try:
            self._group = self._open()
        except BaseException:
            self._lock.close()
            raise

    def put(self, payload: bytes) -> None:
        """Add one to the end, and return once it is on disk.

        Raises:
            OutputError: the disk is full or failed, the spool is closed, or this one alone is
                larger than the limit.
        """
        if len(payload) > self._max_bytes:
            raise OutputError(
                f"{self.path}: {len(payload)} bytes are more than the limit of {self._max_bytes}"
            )

        def work(connection: sqlite3.Connection) -> int:
            connection.execute(
                "INSERT INTO queue SELECT 1 + max(?, ifnull(max(number), 0)), ? FROM queue",
                (self._highest, payload),
            )
            _add(connection, 1, len(payload))
            return self._drop_oldest(connection)

        dropped = self._use(lambda group: group.run(work))
        if dropped and self._log_limit.allows():
            _LOG.error(
                "%s is full: dropped the oldest: %s; %d so far",
                self.path, counted(dropped, "event"), self.totals().dropped,
            )  # fmt: skip

    def peek(self, count: int) -> list[Entry]:
        """The oldest ones, in order, at most so many; they stay.

        Raises:
            OutputError: the file cannot be read, or the spool is closed.
        """
        query = "SELECT number, payload FROM queue ORDER BY number LIMIT ?"
        rows = self._use(lambda group: group.read(lambda c: c.execute(query, (count,)).fetchall()))
        entries = [Entry(*row) for row in rows]
        self._highest = max(self._highest, *(entry.number for entry in entries), 0)
        return entries

    def remove(self, numbers: Sequence[int]) -> None:
        """Take these out; those that are gone already do not matter.

        Raises:
            OutputError: the file cannot be written, or the spool is closed.
        """

        def work(connection: sqlite3.Connection) -> None:
            for number in numbers:
                _remove(connection, number)

        self._use(lambda group: group.run(work))

    def totals(self) -> Totals:
        """What waits, and what was dropped since the file was made. Raises as :meth:`peek`."""
        query = "SELECT events, bytes, dropped FROM totals"
        return Totals(*self._use(lambda group: group.read(lambda c: c.execute(query).fetchone())))

    def close(self) -> None:
        """Close the file and let other processes have it. May be called twice."""
        self._group.close()
        self._lock.close()

    def _open(self) -> GroupCommit:
        """The file, or a new one if it is damaged."""
        try:
            with contextlib.ExitStack() as undo:
                connection = open_database(self.path, _QUEUE)
                undo.callback(connection.close)
                with output_errors(self.path):
                    _check(connection)
                undo.pop_all()
        except OutputError as error:
            if not _is_damage(error.__cause__):
                raise
            self._set_aside(error)
            connection = open_database(self.path, _QUEUE)
        return GroupCommit(connection)

    def _use(self, action: Callable[[GroupCommit], _Result]) -> _Result:
        """Carry out an action, on a new file if this one turns out to be damaged."""
        group = self._group
        try:
            with output_errors(self.path):
                return action(group)
        except OutputError as error:
            if self._group is group and not _is_damage(error.__cause__):
                raise
        with self._mending:
            if self._group is group:
                group.close()
                self._group = self._open()
        with output_errors(self.path):
            return action(self._group)

    def _drop_oldest(self, connection: sqlite3.Connection) -> int:
        dropped = 0
        while True:
            events, size = connection.execute("SELECT events, bytes FROM totals").fetchone()
            if events <= self._max_events and size <= self._max_bytes:
                break
            _remove(connection, connection.execute("SELECT min(number) FROM queue").fetchone()[0])
            dropped += 1
        if dropped:
            connection.execute("UPDATE totals SET dropped = dropped + ?", (dropped,))
        return dropped

    def _set_aside(self, error: OutputError) -> None:
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
        aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
        with output_errors(self.path):
            for suffix in ("", "-wal", "-shm"):
                part = self.path.with_name(self.path.name + suffix)
                with contextlib.suppress(FileNotFoundError):
                    os.replace(part, aside.with_name(aside.name + suffix))
        _LOG.error(
            "%s; it is damaged and was set aside as %s: events that waited in it are not sent",
            error, aside.name,
        )  # fmt: skip


class Totals(NamedTuple):
    """Of a spool."""

    events: int  # that wait
    bytes: int  # that they have together
    dropped: int  # because there was no room, since the file was made


def spool_path(name: str, *, secret: str = "") -> Path:
    """Where an output's spool lies if nobody says otherwise.

    Args:
        name: of the output, without credentials.
        secret: tells outputs of the same name apart, and cannot be read off the path.
    """
    readable = re.sub(r"[^\w.-]+", "-", name).strip("-")[:60]
    digest = hashlib.sha256(f"{name}\n{secret}".encode()).hexdigest()[:8]
    return home() / "spool" / f"{readable}-{digest}.sqlite"


def _check(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    connection.execute(  # and so that the counts are right whatever happened to the file
        "UPDATE totals SET events = (SELECT count(*) FROM queue), "
        "bytes = (SELECT ifnull(sum(length(payload)), 0) FROM queue)"
    )


def _is_damage(error: BaseException | None) -> bool:
    """As opposed to a full disk, a lock, or a wrong call."""
    return type(error) is sqlite3.DatabaseError


def _add(connection: sqlite3.Connection, events: int, size: int) -> None:
    connection.execute("UPDATE totals SET events = events + ?, bytes = bytes + ?", (events, size))


def _remove(connection: sqlite3.Connection, number: int) -> None:
    query = "SELECT length(payload) FROM queue WHERE number = ?"
    row = connection.execute(query, (number,)).fetchone()
    if row:
        connection.execute("DELETE FROM queue WHERE number = ?", (number,))
        _add(connection, -1, -row[0])
