"""Events into the store of people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr.search.store import PeopleStore


class StoreWriter(Closeable):
    """Keeps people's records and alerts in a SQLite file, which `edgeattr find` reads.

    Summaries and states of streams are not kept. That people are deleted is noted in the file's
    own audit table.

    Args:
        path: the file.
        retention_days: how long people are kept after they were last seen; None is for ever.

    Raises:
        UsageError: ``retention_days`` is not positive.
        OutputError: the file cannot be opened, is something else, or of another version.
    """

    promise = (
        "a person's record or an alert is committed and synced to disk once write returns, and "
        "outlives a kill and a power cut until its retention is over"
    )

    def __init__(self, path: Path, *, retention_days: float | None = None) -> None:
        self.name = f"store {path}"
        self._store = PeopleStore(path, retention_days)

    def write(self, event: Mapping[str, Any]) -> bool:
        """Keep one person's record, or an alert; other events pass.

        Returns:
            Whether it was kept.

        Raises:
            OutputError: the event is damaged, or cannot be written; nothing of it was.
        """
        if event.get("type") == "person":
            self._store.add(event)
        elif event.get("type") == "alert":
            self._store.add_alert(event)
        else:
            return False
        return True

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._store.close()
