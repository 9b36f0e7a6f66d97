"""A person's record and an alert: as events, and as rows of the store's tables."""

from __future__ import annotations

import itertools
import json
import math
import numbers
import re
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from edgeattr.core.errors import OutputError
from edgeattr.core.timestamps import utc_text
from edgeattr.search.query.conditions import EARLIEST, LATEST
from edgeattr.search.store.table import (
    P_SCALE,
    Catalog,
    colour_name,
    stored_text,
)

LONGEST_MS = 2**32 - 1  # in view; a longer time counts as that
_DAY_MS = 86_400_000  # what a clock's zone can shift
_ANSWERS = {"yes": 1, "no": 0, "unknown": None}
_WORDS = {stored: answer for answer, stored in _ANSWERS.items()}
_COUNTS = ("track", "frames", "crops_classified")
_SECONDS = ("first_s", "last_s")
_SIDES = ("x", "y", "width", "height")
_KNOWN = {"type", "id", "time", "stream", "box", "attributes", *_COUNTS, *_SECONDS}
_COLOUR = re.compile(r"[\w -]{1,60}")  # names of colours and of parts of the body
_ALERT_KNOWN = {"type", "id", "time", "stream", "alert", "track", "at_s", "zone", "crop", "person"}


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """A checked record."""

    stream: str
    values: dict[str, Any]  # by column
    answers: dict[str, tuple[int | None, int]]  # by attribute: answer, ten-thousandths
    colours: dict[str, tuple[str, int]]  # by part of the body: colour, ten-thousandths
    zones: dict[str, int]  # milliseconds spent in each
    lines: dict[str, tuple[int, int]]  # crossings in and out of each

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> PersonRow:
        """Read a person's event; ``id`` and ``time`` may be missing.

        Raises:
            OutputError: a field is missing or of the wrong kind.
        """
        try:
            more = {key: value for key, value in event.items() if key not in _KNOWN}
            moment, name = event.get("time"), event.get("id")
            return cls(
                stream=_text(event["stream"]),
                values={
                    "id": None if name is None else packed_id(str(name)),
                    "time": None if moment is None else _moment(moment),
                    **{name: _integer(event[name]) for name in _COUNTS},
                    **{name: _real(event[name]) for name in _SECONDS},
                    "seen_ms": _seen_ms(event),
                    **dict(zip(_SIDES, map(_real, event["box"]), strict=True)),
                    "more": json.dumps(more) if more else None,
                },
                answers={
                    str(name): (_ANSWERS[value["answer"]], _ten_thousandths(value["p"]))
                    for name, value in event["attributes"].items()
                },
                colours={
                    part: (colour["name"], _ten_thousandths(colour["p"]))
                    for part, colour in _colours(event)
                },
                zones={
                    _text(name): _integer(round(1000 * _real(spent)))
                    for name, spent in (event.get("zones") or {}).items()
                },
                lines={
                    _text(name): (_integer(ways["in"]), _integer(ways["out"]))
                    for name, ways in (event.get("lines") or {}).items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise OutputError(f"not a person's record, {error!r}: {event!r:.200}") from error


def insert_person(connection: sqlite3.Connection, row: PersonRow, catalog: Catalog) -> bool:
    """Write one person, within a transaction; False if that id is there already."""
    colours = tuple((part, colour) for part, (colour, _) in row.colours.items())
    statement = catalog.insert_statement(connection, tuple(row.values), tuple(row.answers), colours)
    pairs = itertools.chain(row.answers.values(), row.colours.values())
    values = (*row.values.values(), catalog.stream(connection, row.stream),
              *catalog.words(row.answers), *itertools.chain.from_iterable(pairs))  # fmt: skip
    done = connection.execute(statement, values)
    if done.rowcount <= 0:
        return False
    visits = [(done.lastrowid, stored_text(name), spent) for name, spent in row.zones.items()]
    crossings = [(done.lastrowid, stored_text(name), *ways) for name, ways in row.lines.items()]
    connection.executemany("INSERT INTO visits VALUES (?, ?, ?)", visits)
    connection.executemany("INSERT INTO crossings VALUES (?, ?, ?, ?)", crossings)
    return True


def event_from_row(row: Mapping[str, Any], catalog: Catalog, stream: str) -> dict[str, Any]:
    """The event again, from all columns of a row."""
    answers = {
        name: {"p": row[f"{found.column}_p"] / P_SCALE, "answer": _WORDS[row[found.column]]}
        for name, found in catalog.attributes.items()
        if found.colour is None and row[f"{found.column}_p"] is not None
    }
    packed, moment = row["id"], row["time"]
    return {
        "type": "person",
        **({} if packed is None else {"id": text_from_id(packed)}),
        **({} if moment is None else {"time": iso_time(moment)}),
        "stream": stream,
        **{field: row[field] for field in (*_COUNTS, *_SECONDS)},
        "box": [row[side] for side in _SIDES],
        "attributes": answers,
        **json.loads(row["more"] or "{}"),
    }


def labels_of(record: Mapping[str, Any]) -> list[str]:
    """What tells the person from others; all that is answered yes where a record does not say."""
    labels = record.get("labels")
    if isinstance(labels, list):
        return list(map(str, labels))
    answers = record["attributes"].items()
    return [name for name, answer in answers if answer["answer"] == "yes"]


def answer_of(record: Mapping[str, Any], name: str) -> tuple[str, float] | None:
    """What a record answers to an attribute or, as ``red_upper_body``, a colour; None if nothing.

    Returns:
        ``yes``, ``no`` or ``unknown``, and the probability that the attribute holds, 0..1.
    """
    if answer := record["attributes"].get(name):
        return answer["answer"], answer["p"]
    for part, colour in _colours(record):
        if name == colour_name(part, colour["name"]):
            return "yes", colour["p"]
        if name.endswith(f"_{part}"):
            return "no", 1 - colour["p"]
    return None


def packed_id(text: str) -> bytes | str:
    """A record's id as it is stored: 16 bytes for a UUID in its usual form, else the text.

    Raises:
        ValueError: not Unicode.
    """
    try:
        known = uuid.UUID(text)
    except ValueError:
        text.encode()  # no half characters
        return text
    return known.bytes if str(known) == text else text


def milliseconds(moment: str | datetime | None) -> int:
    """Since 1970 in UTC, of ISO 8601, a datetime, or None for now; without a zone it is UTC.

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


def _colours(event: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Parts of the body whose colour was answered, with their answers."""
    for part, colour in (event.get("colours") or {}).items():
        names = (part, colour.get("name"))
        if names[1] == "unknown":
            continue
        if all(isinstance(name, str) and _COLOUR.fullmatch(name) for name in names):
            yield part, colour


def text_from_id(packed: bytes | str) -> str:
    """The opposite of :func:`packed_id`."""
    return packed if isinstance(packed, str) else str(uuid.UUID(bytes=packed))


def _integer(value: Any) -> int:
    if not -(2**63) <= (number := int(value)) < 2**63:
        raise ValueError(f"{number} has more than 64 bits")
    return number


def _real(value: Any) -> float:
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)


def _seen_ms(event: Mapping[str, Any]) -> int:
    seconds: float = event["last_s"] - event["first_s"]
    return round(min(max(1000 * seconds, 0), LONGEST_MS))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _moment(value: Any) -> int:
    if not EARLIEST + _DAY_MS <= (moment := milliseconds(value)) <= LATEST - _DAY_MS:
        raise ValueError(f"{value} lies at the end of the calendar")
    return moment


def _ten_thousandths(p: float) -> int:
    scaled = round(p * P_SCALE)
    if not 0 <= scaled <= P_SCALE:
        raise ValueError(f"p = {p} is not a probability")
    return scaled


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
            more = {key: value for key, value in event.items() if key not in _ALERT_KNOWN}
            return cls(
                stream=str(event["stream"]),
                values={
                    "time": milliseconds(event.get("time")),
                    "rule": stored_text(event["alert"]),
                    "track": _integer(event["track"]),
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


def _stored(text: str | None) -> str | bytes | None:
    return None if text is None else stored_text(text)
