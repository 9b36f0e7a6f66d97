"""A person's record as an event, and as rows of the store."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from edgeattr.core.errors import OutputError
from edgeattr.core.timestamps import utc_text
from edgeattr.search.store.tables import ANSWERS, P_SCALE

__all__ = [
    "Names",
    "PersonRow",
    "event_from_rows",
    "insert_person",
    "iso_time",
    "milliseconds",
    "packed_id",
]

_FIELDS = ("stream", "track", "first_s", "last_s", "frames", "crops_classified")
_KNOWN = {"type", "id", "time", "box", "attributes", *_FIELDS}
_CODES = {answer: code for code, answer in enumerate(ANSWERS)}
_INSERT = f"INSERT OR IGNORE INTO persons VALUES (NULL{', ?' * 13})"


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """A checked record, ready to be written."""

    id: bytes | str  # 16 bytes of a UUID, or a text that is none
    stream: str
    time: int  # when last seen, milliseconds since 1970, UTC
    values: tuple[Any, ...]  # columns from track on
    answers: tuple[tuple[str, int, int], ...]  # attribute's name, ten-thousandths, code

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> PersonRow:
        """Read a person's event; without ``id`` it gets one, without ``time`` it is now.

        Raises:
            OutputError: a field is missing or of the wrong kind.
        """
        try:
            more = {key: value for key, value in event.items() if key not in _KNOWN}
            return cls(
                id=packed_id(str(event.get("id") or uuid.uuid4())),
                stream=str(event["stream"]),
                time=milliseconds(event.get("time")),
                values=(
                    int(event["track"]),
                    float(event["first_s"]),
                    float(event["last_s"]),
                    int(event["frames"]),
                    int(event["crops_classified"]),
                    *_box(event["box"]),
                    json.dumps(more, ensure_ascii=False) if more else None,
                ),
                answers=tuple(
                    (str(name), _ten_thousandths(value["p"]), _CODES[value["answer"]])
                    for name, value in event["attributes"].items()
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise OutputError(f"not a person's record, {error!r}: {event!r:.200}") from error


class Names:
    """Numbers of streams and attributes, kept from one record to the next."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}

    def forget(self) -> None:
        """After a rollback: some numbers may never have been written."""
        self._known.clear()

    def number(self, connection: sqlite3.Connection, kind: str, name: str) -> int:
        """The number of a name, which is written if it is new.

        Args:
            kind: ``stream`` or ``attribute``.
        """
        found = self._known.get((kind, name))
        if found is None:
            connection.execute(f"INSERT OR IGNORE INTO {kind}s (name) VALUES (?)", (name,))
            query = f"SELECT {kind} FROM {kind}s WHERE name = ?"
            found = int(connection.execute(query, (name,)).fetchone()[0])
            self._known[kind, name] = found
        return found


def insert_person(connection: sqlite3.Connection, row: PersonRow, names: Names) -> int | None:
    """Write one person; gives the row's number, or None where that id is there already."""
    answers = [
        (names.number(connection, "attribute", name), p, code) for name, p, code in row.answers
    ]
    stream = names.number(connection, "stream", row.stream)
    done = connection.execute(_INSERT, (row.id, stream, row.time, *row.values))
    if not done.rowcount:
        return None
    person = done.lastrowid
    assert person is not None
    connection.executemany(
        "INSERT INTO answers VALUES (?, ?, ?, ?)", [(person, *answer) for answer in answers]
    )
    return person


def event_from_rows(person: sqlite3.Row, answers: Iterable[tuple[str, int, int]]) -> dict[str, Any]:
    """The event again, from ``SELECT persons.*, streams.name AS name`` and its answers."""
    packed = person["id"]
    return {
        "type": "person",
        "stream": person["name"],
        **{field: person[field] for field in _FIELDS[1:]},
        "box": [person[side] for side in ("x", "y", "width", "height")],
        "attributes": {
            name: {"p": p / P_SCALE, "answer": ANSWERS[code]} for name, p, code in answers
        },
        "time": iso_time(person["time"]),
        "id": str(uuid.UUID(bytes=packed)) if isinstance(packed, bytes) else packed,
        **json.loads(person["more"] or "{}"),
    }


def packed_id(text: str) -> bytes | str:
    """A record's id as it is stored: 16 bytes for a UUID in its usual form, else the text."""
    try:
        known = uuid.UUID(text)
    except ValueError:
        return text
    return known.bytes if str(known) == text else text


def milliseconds(moment: str | datetime | None) -> int:
    """Since 1970 in UTC, of ISO 8601 or a datetime; where no zone is named, it is UTC.

    Raises:
        ValueError: not ISO 8601.
    """
    if moment is None:
        moment = datetime.now(timezone.utc)
    elif isinstance(moment, str):
        moment = datetime.fromisoformat(moment.replace("Z", "+00:00"))  # Python 3.10 knows no Z
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return round(moment.timestamp() * 1000)


def iso_time(moment: int) -> str:
    """ISO 8601 in UTC, of milliseconds since 1970."""
    return utc_text(moment / 1000)


def _box(box: Iterable[float]) -> tuple[float, float, float, float]:
    x, y, width, height = map(float, box)
    return x, y, width, height


def _ten_thousandths(p: float) -> int:
    scaled = round(p * P_SCALE)
    if not 0 <= scaled <= P_SCALE:
        raise ValueError(f"p = {p} is not a probability")
    return scaled
