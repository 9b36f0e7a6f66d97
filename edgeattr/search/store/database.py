"""Opening a SQLite file that survives a kill at any moment, and knowing whether it is ours."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgeattr.core.errors import OutputError

__all__ = ["Layout", "check_layout", "open_database", "output_errors"]

_BUSY_S = 10.0  # how long another process may hold the file


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a file of one kind looks like inside."""

    kind: str  # in messages: "store of people"
    application_id: int  # SQLite's own field for telling kinds of files apart
    version: int  # kept as user_version
    script: str  # creates the tables of that version
    upgrades: Mapping[int, Callable[[sqlite3.Connection], None]] = field(default_factory=dict)
    # by version: what makes the next one of it, within a transaction


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say about a file into an :class:`OutputError`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        said = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot be written ({said})") from error


def open_database(path: Path, layout: Layout) -> sqlite3.Connection:
    """Open a file for writing, make it if it is not there, and upgrade one of an older version.

    Write-ahead log with a sync at each commit: what was committed outlives a kill and a power
    cut, and others can read meanwhile. What is deleted is overwritten. A new file can be read by
    its owner alone. The connection may be passed between threads, used by one at a time, and
    begins transactions only when told to.

    Raises:
        OutputError: no permission, no space, not a file of this kind, or of a newer version.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _create_private(path)
        connection = sqlite3.connect(
            path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            if not _is_empty(connection):
                check_layout(connection, path, layout)  # before anything is changed
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            if _is_empty(connection):
                _create(connection, layout)
            check_layout(connection, path, layout)  # another process may have made it meanwhile
            _upgrade(connection, layout)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
    return connection


def check_layout(connection: sqlite3.Connection, path: Path, layout: Layout) -> None:
    """Refuse a file of another kind or of a newer version.

    Raises:
        OutputError: as said; nothing was changed.
        sqlite3.DatabaseError: not a SQLite file, or a damaged one.
    """
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if kind != layout.application_id:
        raise OutputError(f"{path}: is a SQLite file, but not a {layout.kind}; name another file")
    if not min(layout.upgrades, default=layout.version) <= version <= layout.version:
        raise OutputError(
            f"{path}: this {layout.kind} has version {version}, and this edgeattr knows "
            f"versions up to {layout.version}; update edgeattr, or name another file"
        )


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


def _create(connection: sqlite3.Connection, layout: Layout) -> None:
    for statement in layout.script.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {layout.application_id}")
    connection.execute(f"PRAGMA user_version = {layout.version}")


def _upgrade(connection: sqlite3.Connection, layout: Layout) -> None:
    """Bring an older file up to date: all of it, or with a kill or a full disk nothing."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for step in range(version, layout.version):
        layout.upgrades[step](connection)
    if version < layout.version:
        connection.execute(f"PRAGMA user_version = {layout.version}")


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
