"""Forgetting people after their time, in steps so small that nobody waits for them."""

from __future__ import annotations

import functools
import logging
import sqlite3
import threading
from collections.abc import Callable

from edgeattr.search.store.audit import insert_audit, update_audit
from edgeattr.search.store.blocks import block_of, reseal, unseal
from edgeattr.search.store.group_commit import GroupCommit
from edgeattr.search.store.records import iso_time, milliseconds

__all__ = ["DAY_MS", "Sweeper", "forget_before"]

DAY_MS = 24 * 3600 * 1000
_STEP = 100  # people per transaction
_PAUSE_S = 0.02  # between two steps, for those who write
_EVERY_S = 3600.0
_JOIN_S = 1.0


def forget_before(
    group: GroupCommit, moment: int, *, stopped: Callable[[float], bool] = lambda seconds: False
) -> int:
    """Delete people last seen before a moment, with their answers and crops.

    Writes one audit row, in the transaction of the first step, and its counts with each further
    step. What was deleted is overwritten in the file, and the write-ahead log is emptied,
    by a later call where somebody reads just now.

    Args:
        group: the store's connection.
        moment: milliseconds since 1970, UTC.
        stopped: waits some seconds, and says whether to stop before the end.

    Returns:
        How many people were forgotten.

    Raises:
        sqlite3.Error: the disk is full or failed. What was deleted until then stays deleted.
    """
    persons = crops = 0
    entry: int | None = None
    touched: set[int] = set()

    def step(connection: sqlite3.Connection) -> tuple[int, int, int | None]:
        query = "SELECT person FROM persons WHERE time < ? ORDER BY time LIMIT ?"
        old = connection.execute(query, (moment, _STEP)).fetchall()
        if not old:
            return 0, 0, entry
        gone = connection.executemany("DELETE FROM crops WHERE person = ?", old).rowcount
        connection.executemany("DELETE FROM answers WHERE person = ?", old)
        connection.executemany("DELETE FROM persons WHERE person = ?", old)
        blocks = {block_of(person) for (person,) in old}
        for block in blocks:
            unseal(connection, block)
        touched.update(blocks)
        detail = {
            "older_than": iso_time(moment), "persons": persons + len(old), "crops": crops + gone
        }  # fmt: skip
        if entry is None:
            return len(old), gone, insert_audit(connection, "retention applied", detail)
        update_audit(connection, entry, detail)
        return len(old), gone, entry

    while True:
        more, more_crops, entry = group.run(step)
        persons, crops = persons + more, crops + more_crops
        if more < _STEP or stopped(_PAUSE_S):
            break
    for block in touched:
        group.run(functools.partial(reseal, block=block))
    group.read(_empty_log)
    return persons


def _empty_log(connection: sqlite3.Connection) -> None:
    """Drop what the write-ahead log still has, unless somebody reads: nobody waits for that."""
    (busy_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {busy_ms}")


class Sweeper:
    """Forgets people in the background: at once, and then once an hour at least.

    Args:
        group: the store's connection.
        keep_days: how long people are kept after they were last seen.
        name: of the store, for the log.
    """

    def __init__(self, group: GroupCommit, keep_days: float, name: str) -> None:
        self._group, self._keep_ms, self._name = group, round(keep_days * DAY_MS), name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgeattr-retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the step under way. May be called twice."""
        self._stop.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        pause = min(max(self._keep_ms / 1000 / 24, 60.0), _EVERY_S)
        while not self._stop.is_set():
            try:
                before = milliseconds(None) - self._keep_ms
                forget_before(self._group, before, stopped=self._stop.wait)
            except sqlite3.Error as error:  # a full disk, say: the next round tries again
                if not self._stop.is_set():
                    log = logging.getLogger("edgeattr.store")
                    log.warning("%s: old records could not be deleted (%s)", self._name, error)
            self._stop.wait(pause)
