"""Who did what to the store, and when: rows that retention leaves alone."""

from __future__ import annotations

import getpass
import json
import os
import sqlite3
from collections.abc import Mapping
from typing import Any

from edgeattr.search.store.records import milliseconds

__all__ = ["insert_audit", "update_audit"]


def insert_audit(connection: sqlite3.Connection, act: str, detail: Mapping[str, Any]) -> int:
    """Write a row, and give its number."""
    done = connection.execute(
        "INSERT INTO audit (time, act, who, pid, detail) VALUES (?, ?, ?, ?, ?)",
        (milliseconds(None), act, _user(), os.getpid(), json.dumps(detail, ensure_ascii=False)),
    )
    assert done.lastrowid is not None
    return done.lastrowid


def update_audit(connection: sqlite3.Connection, entry: int, detail: Mapping[str, Any]) -> None:
    """Bring a row of an act that goes on up to date."""
    connection.execute(
        "UPDATE audit SET detail = ? WHERE entry = ?",
        (json.dumps(detail, ensure_ascii=False), entry),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())
