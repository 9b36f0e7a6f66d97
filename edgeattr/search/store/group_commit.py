"""Many threads, one SQLite connection, and as few commits as can be."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

__all__ = ["GroupCommit", "Work"]

_Result = TypeVar("_Result")
Work = Callable[[sqlite3.Connection], _Result]
_CLOSE_S = 1.0  # how long a commit under way is waited for


@dataclass
class _Job(Generic[_Result]):
    work: Work[_Result]
    done: bool = False
    result: _Result | None = None
    error: Exception | None = None


class GroupCommit:
    """Runs writes, each whole or not at all, and returns once they are on disk.

    A commit waits for the disk. Writes that come meanwhile gather, and whoever has the
    connection next commits all of them at once. A write that fails does not take others along.

    Args:
        connection: in autocommit mode; belongs to this object from now on.
        rolled_back: called when changes were undone, for the sake of caches.
    """

    def __init__(
        self, connection: sqlite3.Connection, rolled_back: Callable[[], None] = lambda: None
    ) -> None:
        self._connection = connection
        self._rolled_back = rolled_back
        self._turn = threading.Lock()  # who has the connection
        self._guard = threading.Lock()  # of the list
        self._gathered: list[_Job[Any]] = []

    def run(self, work: Work[_Result]) -> _Result:
        """Carry out one write, which may be called twice if others fail beside it.

        Raises:
            sqlite3.Error: the disk is full or failed, or the connection is closed; nothing of
                this write remains.
        """
        job = _Job(work)
        with self._guard:
            self._gathered.append(job)
        with self._turn:
            if not job.done:
                self._lead(job)
        if job.error:
            raise job.error
        return cast(_Result, job.result)

    def read(self, work: Work[_Result]) -> _Result:
        """Use the connection between two commits, outside of any transaction."""
        with self._turn:
            return work(self._connection)

    def close(self) -> None:
        """Close the connection. May be called twice; a write that hangs is left alone."""
        if self._turn.acquire(timeout=_CLOSE_S):
            try:
                self._connection.close()
            finally:
                self._turn.release()

    def _lead(self, own: _Job[Any]) -> None:
        with self._guard:
            jobs, self._gathered = self._gathered, []
        try:
            self._commit_or_each_alone(jobs)
        except BaseException:  # an interrupt: the others' writes wait for the next turn
            with self._guard:
                others = [job for job in jobs if not job.done and job is not own]
                self._gathered[:0] = others
            raise

    def _commit_or_each_alone(self, jobs: Sequence[_Job[Any]]) -> None:
        try:
            self._commit(jobs)
        except Exception as error:
            if len(jobs) == 1 or "locked" in str(error):  # one wait for another process is enough
                for job in jobs:
                    job.error, job.done = error, True
                return
            for job in jobs:
                self._commit_or_each_alone([job])

    def _commit(self, jobs: Sequence[_Job[Any]]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [job.work(connection) for job in jobs]
            connection.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        for job, result in zip(jobs, results, strict=True):
            job.result, job.done = result, True

    def _undo(self) -> None:
        self._rolled_back()
        try:
            if self._connection.in_transaction:  # SQLite may have rolled back by itself
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # closed: what was not committed is gone with it
