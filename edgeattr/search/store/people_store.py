"""Writing people into a store."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import UsageError
from edgeattr.search.store.alerts import AlertRow, insert_alert
from edgeattr.search.store.database import open_database, output_errors
from edgeattr.search.store.group_commit import GroupCommit
from edgeattr.search.store.records import PersonRow, insert_person, milliseconds
from edgeattr.search.store.retention import DAY_MS, RetentionThread, forget_before
from edgeattr.search.store.table import PEOPLE, Catalog

__all__ = ["PeopleStore"]


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
        self._sweeper = (
            RetentionThread(self._group, retention_days, str(path))
            if retention_days is not None
            else None
        )

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

        Raises:
            OutputError: as :meth:`add`.
        """
        with output_errors(self.path):
            return forget_before(self._group, milliseconds(None) - round(days * DAY_MS))

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._sweeper:
            self._sweeper.close()
        self._group.close()

    def _insert(self, connection: sqlite3.Connection, rows: Iterable[PersonRow]) -> int:
        return sum(insert_person(connection, row, self._catalog) for row in rows)
