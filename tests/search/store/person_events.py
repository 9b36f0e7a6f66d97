"""People as the pipeline reports them."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from pathlib import Path
from typing import Any


def person(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One record, as a line of the events file has it."""
    return {
        "type": "person",
        "stream": "door",
        "track": number,
        "first_s": 1.5,
        "last_s": 9.625,
        "frames": 80,
        "crops_classified": 7,
        "box": [672.9, 173.5, 95.1, 186.3],
        "attributes": {
            "backpack": {"p": 0.9312, "answer": "yes"},
            "hat": {"p": 0.01, "answer": "no"},
            "long_hair": {"p": 0.5, "answer": "unknown"},
        },
        "time": "2026-05-01T12:30:15.250Z",
        "id": str(uuid.UUID(int=(4 << 76) + (8 << 60) + number)),
        **changes,
    }


def rows_of(store: Path, table: str) -> list[dict[str, Any]]:
    """A table's rows as anybody reads them who speaks SQL; ids as text."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")]
    for row in rows:
        for name in row.keys() & {"id", "person_id"}:
            row[name] = row[name] and str(uuid.UUID(bytes=row[name]))
    return rows
