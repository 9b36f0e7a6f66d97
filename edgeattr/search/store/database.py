"""Opening a SQLite file that survives a kill at any moment, and knowing whether it is ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeattr.core.errors import OutputError

__all__ = [
    "DatabaseSchema",
    "check_schema",
    "network_file_system",
    "open_database",
    "output_errors",
]

_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "fuse.glusterfs",
    "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.davfs",
}  # fmt: skip
"""Linux's names of file systems whose machines share no memory, which the write-ahead log needs."""

_BUSY_S = 10.0  # how long another process may hold the file


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
