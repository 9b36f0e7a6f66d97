"""An alert as an event, and as a row of the store's table of alerts."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeattr.core.errors import OutputError
from edgeattr.search.store.records import iso_time, milliseconds, packed_id, text_from_id
from edgeattr.search.store.table import Catalog, stored_text, text_from_stored

__all__ = ["AlertRow", "event_from_alert", "insert_alert"]

_KNOWN = {"type", "id", "time", "stream", "alert", "track", "at_s", "zone", "crop", "person"}


@dataclass(frozen=True, kw_only=True)
class AlertRow:
    """A checked alert."""

    stream: str
    values: dict[str, Any]  # by column

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> AlertRow:
        """Read an alert's event; ``id`` and ``time`` may be missing.

        Raises:
            OutputError: a field is missing or of the wrong kind.
        """
        try:
            more = {key: value for key, value in event.items() if key not in _KNOWN}
            return cls(
                stream=str(event["stream"]),
                values={
                    "time": milliseconds(event.get("time")),
                    "rule": stored_text(event["alert"]),
                    "track": int(event["track"]),
                    "at_s": float(event["at_s"]),
                    "zone": _stored(event.get("zone")),
                    "crop": _stored(event.get("crop")),
                    "person_id": packed_id(event["person"]) if event.get("person") else None,
                    "id": packed_id(event.get("id") or str(uuid.uuid4())),
                    "more": json.dumps(more),
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise OutputError(f"not an alert, {error!r}: {event!r:.200}") from error


def insert_alert(connection: sqlite3.Connection, row: AlertRow, catalog: Catalog) -> None:
    """Write one alert, within a transaction, unless that id is there already."""
    values = {**row.values, "stream": catalog.stream(connection, row.stream)}
    connection.execute(
        f"INSERT INTO alerts ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) "
        "ON CONFLICT (id) DO NOTHING",
        tuple(values.values()),
    )


def event_from_alert(row: sqlite3.Row, stream: str) -> dict[str, Any]:
    """The event again, from all columns of a row."""
    extra = {
        "person": row["person_id"] and text_from_id(row["person_id"]),
        "zone": row["zone"] and text_from_stored(row["zone"]),
        "crop": row["crop"] and text_from_stored(row["crop"]),
    }
    return {
        "type": "alert",
        "id": text_from_id(row["id"]),
        "time": iso_time(row["time"]),
        "stream": stream,
        "alert": text_from_stored(row["rule"]),
        "track": row["track"],
        "at_s": row["at_s"],
        **{name: value for name, value in extra.items() if value is not None},
        **json.loads(row["more"]),
    }


def _stored(text: str | None) -> str | bytes | None:
    return None if text is None else stored_text(text)
