"""Zones, lines and alerts in a store, and in events files: asked for, kept, and deleted in time."""

import json
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import OutputError, QueryError
from edgeattr.search.store import EventsReader, PeopleReader, PeopleStore, SearchRequest

from .person_events import person, rows_of

_PEOPLE = [
    person(1, zones={"door": 31.2, "hall": 4.0}, lines={"gate": {"in": 1, "out": 0}}),
    person(2, zones={"door": 2.0}, lines={"gate": {"in": 0, "out": 2}}),
    person(3),
]
_ASKED = {
    "in zone door": {1, 2}, "zone hall": {1}, "not in zone door": {3},
    "hat is no in zone hall": {1},
    "dwell in zone door > 30 s": {1}, "dwell in zone door < 30 s": {2},
    "not dwell in zone door > 30 s": {2}, "crossed gate": {1, 2}, "crossed gate in": {1},
    "crossed gate out": {2}, "not crossed gate": {3}, "crossed gate and not in zone hall": {2},
}  # fmt: skip


def _alert(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "type": "alert", "id": str(uuid.UUID(int=number)), "time": "2026-05-01T12:30:10.000Z",
        "stream": "door", "alert": "loading", "track": 4, "at_s": 7.5, "zone": "dock",
        "crop": "crops/x.jpg", "person": str(uuid.UUID(int=99)), "box": [1.0, 2.0, 3.0, 4.0],
        "labels": ["hat"], "why": ["hat", "in zone dock"], **changes,
    }  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "people.sqlite"
    with PeopleStore(path) as store:
        store.add_many(_PEOPLE)
    return path


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(it) + "\n" for it in (*_PEOPLE, _alert())))
    return path


@pytest.mark.parametrize("kind", ["store", "events"])
def test_people_are_found_by_where_they_were(kind: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    with PeopleReader(path) if kind == "store" else EventsReader([path]) as reader:
        for query, meant in _ASKED.items():
            found = reader.search(SearchRequest(query=query)).records
            assert {record["track"] for record in found} == meant, query
        assert reader.find("crossed gate in") == [_PEOPLE[0]]
        assert reader.known_names().zones == ["door", "hall"]
        for query, says in (("in zone dor", "did you mean `door`"), ("crossed x", "it has: gate")):
            with pytest.raises(QueryError, match=says):
                reader.find(query)


def test_an_alert_is_kept_once_with_all_that_it_says(store: Path) -> None:
    plain = {k: v for k, v in _alert(2).items() if k not in ("zone", "crop", "person")}
    with PeopleStore(store) as writer:
        for event in (_alert(), _alert(), plain):
            writer.add_alert(event)
        for damaged in ({"track": "four"}, {"alert": None}, {"time": "soon"}):
            with pytest.raises(OutputError, match="not an alert"):
                writer.add_alert(_alert(3, **damaged))
    first, second = rows_of(store, "alerts")
    assert json.loads(first.pop("more")) == {k: _alert()[k] for k in ("box", "labels", "why")}
    assert first == {
        "alert": 1, "time": 1777638610000, "rule": "loading", "stream": 1, "track": 4,
        "at_s": 7.5, "zone": "dock", "crop": "crops/x.jpg", "person_id": _alert()["person"],
        "id": _alert()["id"],
    }  # fmt: skip
    assert (second["id"], second["zone"], second["person_id"]) == (plain["id"], None, None)


def test_retention_deletes_visits_crossings_and_alerts_too(store: Path) -> None:
    with PeopleStore(store) as writer:
        writer.add_alert(_alert())
        writer.add_alert(_alert(2, time=None))
        writer.add(person(4, time=None, zones={"door": 1.0}, lines={"gate": {"in": 1, "out": 1}}))
        assert writer.forget_older(1) == 3
    with sqlite3.connect(store) as connection:
        left = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("people", "visits", "crossings", "alerts")
        ]
    connection.close()
    assert left == [1, 1, 1, 1]
