"""SQLite files that survive a kill at any moment, and many threads writing with few commits."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from edgeattr.core.errors import OutputError

_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "fuse.glusterfs",
    "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.davfs",
}  # fmt: skip
"""Linux's names of file systems whose machines share no memory, which the write-ahead log needs."""

_BUSY_S = 10.0  # how long another process may hold the file
_CLOSE_S = 1.0  # how long a commit under way is waited for


@dataclass(frozen=True, kw_only=True)
class DatabaseSchema:
    """What a file of one kind looks like inside."""

    kind: str  # in messages: "store of people"
    application_id: int  # SQLite's own field for telling kinds of files apart
    version: int  # kept as user_version
    script: str  # creates the tables of that version


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say about a file into an :class:`OutputError`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        said = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot be written ({said})") from error


def open_database(path: Path, layout: DatabaseSchema) -> sqlite3.Connection:
    """Open a file for writing, and make it if it is not there.

    Write-ahead log with a sync at each commit: what was committed outlives a kill and a power
    cut, and others can read meanwhile. What is deleted is overwritten. A new file can be read by
    its owner alone. The connection may be passed between threads, used by one at a time, and
    begins transactions only when told to.

    Raises:
        OutputError: no permission, no space, a network file system, not a file of this kind, or
            of another version.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind := network_file_system(path.parent):
            raise OutputError(
                f"{path}: lies on a network file system ({kind}), on which SQLite's write-ahead "
                f"log does not work and records would be lost; put the {layout.kind} on a disk of "
                "this machine"
            )
        _create_private(path)
        connection = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            if not _is_empty(connection):
                check_schema(connection, path, layout)  # before anything is changed
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            if _is_empty(connection):
                _create(connection, layout)
            check_schema(connection, path, layout)  # another process may have made it meanwhile
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
    return connection


def check_schema(connection: sqlite3.Connection, path: Path, layout: DatabaseSchema) -> None:
    """Refuse a file of another kind or of a newer version.

    Raises:
        OutputError: as said; nothing was changed.
        sqlite3.DatabaseError: not a SQLite file, or a damaged one.
    """
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if kind != layout.application_id:
        raise OutputError(f"{path}: is a SQLite file, but not a {layout.kind}; name another file")
    if version > layout.version:
        raise OutputError(
            f"{path}: this {layout.kind} has version {version}, and this edgeattr knows version "
            f"{layout.version}; update edgeattr, or name another file"
        )
    if version < layout.version:
        raise OutputError(
            f"{path}: this {layout.kind} has version {version}, which only an older edgeattr "
            f"reads; this one needs version {layout.version}: move the file away, or name another "
            "one, and a new one is made"
        )


def network_file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The kind of network file system on which a path lies; None for local ones.

    Args:
        path: a file or folder that is there.
        mounts: the kernel's list of what is mounted; see proc_pid_mountinfo(5).
    """
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:  # not Linux, or no /proc
        return None
    for line in lines:
        mount, _, source = line.partition(" - ")
        kind = source.partition(" ")[0]
        if mount.split()[2:3] == [number] and kind in _NETWORK:
            return kind
    return None


def _create_private(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # so that the name outlives a power cut too
        finally:
            os.close(folder)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite does not wait for other processes by itself here."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _create(connection: sqlite3.Connection, layout: DatabaseSchema) -> None:
    for statement in layout.script.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {layout.application_id}")
    connection.execute(f"PRAGMA user_version = {layout.version}")


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


_Result = TypeVar("_Result")
Work = Callable[[sqlite3.Connection], _Result]


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
