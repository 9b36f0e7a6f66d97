"""Writing people into a store, and deleting them after their time."""

from __future__ import annotations

import getpass
import json
import logging
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import OutputError, UsageError
from edgeattr.search.store.database import GroupCommit, open_database, output_errors
from edgeattr.search.store.records import (
    AlertRow,
    PersonRow,
    insert_alert,
    insert_person,
    iso_time,
    milliseconds,
)
from edgeattr.search.store.table import PEOPLE, Catalog

_AHEAD_MS = 3600 * 1000  # a time so far in the future is a clock's mistake
_STEP = 100  # people per transaction
_PAUSE_S = 0.02  # between two steps, for those who write
_EVERY_S = 3600.0
_JOIN_S = 1.0
_DAY_MS = 24 * 3600 * 1000
_OLD = "SELECT person FROM people WHERE time < :before OR kept_from < :before LIMIT :step"
_log = logging.getLogger("edgeattr.store")


class PeopleStore(Closeable):
    """A SQLite file of people and what is known of them.

    May be written by several threads, and by several processes; others may read meanwhile. A
    record that was acknowledged outlives a kill and a power cut, as far as the disk keeps its own
    word.

    Args:
        path: the file; made if it is not there, readable by its owner alone.
        retention_days: people last seen longer ago are deleted, now and while the store is open;
            None keeps them for ever.

    Raises:
        UsageError: ``retention_days`` is not positive.
        OutputError: the file cannot be opened, is something else, or of a newer version.
    """

    def __init__(self, path: Path, retention_days: float | None = None) -> None:
        if retention_days is not None and not retention_days > 0:
            raise UsageError(f"retention is {retention_days} days; expected more than 0, or none")
        self.path = path
        self._catalog = Catalog()
        self._group = GroupCommit(open_database(path, PEOPLE), rolled_back=self._catalog.forget)
        self._closing = threading.Event()
        self._sweeper: threading.Thread | None = None
        if retention_days is not None:
            self._sweeper = threading.Thread(
                target=self._sweep, args=(retention_days,), name="edgeattr-retention", daemon=True
            )
            self._sweeper.start()

    def add(self, event: Mapping[str, Any]) -> None:
        """Write one person's record, and return once it is on disk.

        An id that is there already is not written again.

        Args:
            event: ``{"type": "person", ...}`` of the events file. ``time`` is when the person was
                last seen, in ISO 8601, now if not given; ``id`` is unique, made if not given.

        Raises:
            OutputError: not a person's record, the disk is full or failed, or the store is
                closed; nothing of the record was written.
        """
        self.add_many([event])

    def add_alert(self, event: Mapping[str, Any]) -> None:
        """Write one alert, and return once it is on disk; an id that is there is not written again.

        Args:
            event: ``{"type": "alert", ...}`` of the events file; ``time`` is now if not given.

        Raises:
            OutputError: as :meth:`add`.
        """
        row = AlertRow.from_event(event)
        with output_errors(self.path):
            self._group.run(lambda connection: insert_alert(connection, row, self._catalog))

    def add_many(self, events: Iterable[Mapping[str, Any]]) -> int:
        """Write records, all or none, in one transaction; returns how many were new.

        Raises:
            OutputError: as :meth:`add`.
        """
        rows = [PersonRow.from_event(event) for event in events]
        for row in rows:
            row.values["id"] = row.values["id"] or uuid.uuid4().bytes
            if row.values["time"] is None:
                row.values["time"] = milliseconds(None)
        with output_errors(self.path):
            return self._group.run(lambda connection: self._insert(connection, rows))

    def forget_older(self, days: float) -> int:
        """Delete people last seen more than ``days`` ago; returns how many.

        Writes one audit row, in the transaction of the first step, and its counts with each
        further step. What was deleted is overwritten in the file, and the write-ahead log is
        emptied, by a later call if somebody reads just now. The age of people whose time lies in
        the future counts from the first call that sees them. Ends early once the store closes.

        Raises:
            OutputError: as :meth:`add`. What was deleted until then stays deleted.
        """
        moment = milliseconds(None) - round(days * _DAY_MS)
        persons = 0
        entry: int | None = None

        def step(connection: sqlite3.Connection) -> tuple[int, int | None]:
            old = connection.execute(_OLD, {"before": moment, "step": _STEP}).fetchall()
            if not old:
                return 0, entry
            connection.executemany("DELETE FROM people WHERE person = ?", old)
            detail = json.dumps({"older_than": iso_time(moment), "persons": persons + len(old)})
            done = connection.execute(
                "INSERT INTO audit VALUES (?, ?, 'retention applied', ?, ?, ?) "
                "ON CONFLICT (entry) DO UPDATE SET detail = excluded.detail",
                (entry, milliseconds(None), _user(), os.getpid(), detail),
            )
            return len(old), entry or done.lastrowid

        with output_errors(self.path):
            self._group.run(_date_the_future)
            self._group.run(lambda c: c.execute("DELETE FROM alerts WHERE time < ?", (moment,)))
            while True:
                more, entry = self._group.run(step)
                persons += more
                if more < _STEP or self._closing.wait(_PAUSE_S):
                    break
            self._group.read(_empty_log)
        return persons

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._closing.set()
        if self._sweeper:
            self._sweeper.join(_JOIN_S)  # it stops after the step under way
        self._group.close()

    def _insert(self, connection: sqlite3.Connection, rows: Iterable[PersonRow]) -> int:
        return sum(insert_person(connection, row, self._catalog) for row in rows)

    def _sweep(self, days: float) -> None:
        """Delete people who are too old: at once, and then once an hour at least."""
        pause = min(max(days * _DAY_MS / 1000 / 24, 60.0), _EVERY_S)
        while not self._closing.is_set():
            try:
                self.forget_older(days)
            except OutputError as error:  # a full disk, say: the next round tries again
                if not self._closing.is_set():
                    _log.warning("old records could not be deleted: %s", error)
            self._closing.wait(pause)


def _date_the_future(connection: sqlite3.Connection) -> None:
    """Start the retention of people whose time lies in the future."""
    now = milliseconds(None)
    connection.execute(
        "UPDATE people SET kept_from = ? WHERE time > ? AND kept_from IS NULL",
        (now, now + _AHEAD_MS),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _empty_log(connection: sqlite3.Connection) -> None:
    """Drop what the write-ahead log still has, unless somebody reads: nobody waits for that."""
    (busy_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {busy_ms}")
