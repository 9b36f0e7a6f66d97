"""Deleting people after their time, in steps so small that nobody waits for them."""

from __future__ import annotations

import getpass
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable

from edgeattr.search.store.group_commit import GroupCommit
from edgeattr.search.store.records import iso_time, milliseconds

__all__ = ["DAY_MS", "RetentionThread", "forget_before"]

DAY_MS = 24 * 3600 * 1000
_AHEAD_MS = 3600 * 1000  # a time so far in the future is a clock's mistake
_STEP = 100  # people per transaction
_PAUSE_S = 0.02  # between two steps, for those who write
_EVERY_S = 3600.0
_JOIN_S = 1.0

_OLD = "SELECT person FROM people WHERE time < :before OR kept_from < :before LIMIT :step"


def forget_before(
    group: GroupCommit, moment: int, *, stopped: Callable[[float], bool] = lambda seconds: False
) -> int:
    """Delete people last seen before a moment.

    Writes one audit row, in the transaction of the first step, and its counts with each further
    step. What was deleted is overwritten in the file, and the write-ahead log is emptied,
    by a later call if somebody reads just now. The age of people whose time lies in the future
    counts from the first call that sees them.

    Args:
        group: the store's connection.
        moment: milliseconds since 1970, UTC.
        stopped: waits some seconds, and says whether to stop before the end.

    Returns:
        How many people were deleted.

    Raises:
        sqlite3.Error: the disk is full or failed. What was deleted until then stays deleted.
    """
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

    group.run(_date_the_future)
    group.run(lambda connection: connection.execute("DELETE FROM alerts WHERE time < ?", (moment,)))
    while True:
        more, entry = group.run(step)
        persons += more
        if more < _STEP or stopped(_PAUSE_S):
            break
    group.read(_empty_log)
    return persons


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


class RetentionThread:
    """Deletes people in the background: at once, and then once an hour at least.

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
