"""Writing people into a store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.closing import Closing
from edgeattr.core.errors import UsageError
from edgeattr.search.store.audit import insert_audit
from edgeattr.search.store.blocks import block_of, seal
from edgeattr.search.store.database import open_database, output_errors
from edgeattr.search.store.group_commit import GroupCommit
from edgeattr.search.store.records import Names, PersonRow, insert_person, milliseconds
from edgeattr.search.store.retention import DAY_MS, Sweeper, forget_before
from edgeattr.search.store.tables import PEOPLE

__all__ = ["PeopleStore"]


class PeopleStore(Closing):
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
        self._names = Names()
        self._group = GroupCommit(open_database(path, PEOPLE), rolled_back=self._names.forget)
        self._sweeper = (
            Sweeper(self._group, retention_days, str(path)) if retention_days is not None else None
        )

    def add(self, event: Mapping[str, Any], *, crop: bytes | None = None) -> None:
        """Write one person's record, and return once it is on disk.

        An id that is there already is not written again.

        Args:
            event: ``{"type": "person", ...}`` of the events file. ``time`` is when the person was
                last seen, in ISO 8601, now if not given; ``id`` is unique, made if not given.
            crop: a JPEG of the person, kept and deleted with the record.

        Raises:
            OutputError: not a person's record, the disk is full or failed, or the store is
                closed; nothing of the record was written.
        """
        self._add([PersonRow.from_event(event)], crop)

    def add_many(self, events: Iterable[Mapping[str, Any]]) -> int:
        """Write records, all or none, in one transaction; gives how many were new.

        Raises:
            OutputError: as :meth:`add`.
        """
        return self._add([PersonRow.from_event(event) for event in events], None)

    def audit(self, act: str, detail: Mapping[str, Any]) -> None:
        """Note an act that touches privacy, with the time, the user and the process.

        Raises:
            OutputError: as :meth:`add`.
        """
        with output_errors(self.path):
            self._group.run(lambda connection: insert_audit(connection, act, detail))

    def forget_older(self, days: float) -> int:
        """Delete people last seen more than ``days`` ago; gives how many.

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

    def _add(self, rows: list[PersonRow], crop: bytes | None) -> int:
        def work(connection: sqlite3.Connection) -> int:
            added = 0
            for row in rows:
                person = insert_person(connection, row, self._names)
                if person is None:
                    continue
                added += 1
                if block_of(person) != block_of(person - 1):
                    seal(connection, block_of(person - 1))
                if crop is not None:
                    connection.execute("INSERT INTO crops VALUES (?, ?)", (person, crop))
            return added

        with output_errors(self.path):
            return self._group.run(work)
