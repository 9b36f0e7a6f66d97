"""Whatever is asked: blocks, rows and lines of events answer as a look at each record does."""

from __future__ import annotations

import fnmatch
import functools
import json
import operator
import random
import zoneinfo
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edgeattr.search.query import (
    And,
    Answered,
    Duration,
    Has,
    InStream,
    Not,
    Or,
    Period,
    Probability,
    Query,
    StreamLike,
    TimeOfDay,
    WallClock,
)
from edgeattr.search.store import EventsReader, PeopleReader, PeopleStore, SearchRequest

from ..query.random_queries import random_query
from .person_events import person

_NAMES = ("backpack", "hat", "long_hair", "jeans")
_STREAMS = ("door", "Dock", "rtsp://camera/1")
_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_START = datetime(2026, 3, 28, 12, tzinfo=timezone.utc)


def _people(count: int) -> list[dict[str, Any]]:
    chance = random.Random(5)
    return [_one(number, chance) for number in range(count)]


def _one(number: int, chance: random.Random) -> dict[str, Any]:
    attributes = {}
    for name in _NAMES:
        p = chance.choice((0.0, 1.0, 0.5, 0.8, round(chance.random(), 4)))
        if chance.random() < 0.9 and (name != "jeans" or number > 1300):
            answer = chance.choice(("unknown", "yes" if p > 0.5 else "no"))
            attributes[name] = {"p": p, "answer": answer}
    moment = _START + timedelta(seconds=80 * number + chance.uniform(0, 3600))
    first = round(chance.uniform(0, 50), 3)
    return person(
        number,
        stream=chance.choice(_STREAMS),
        time=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        attributes=attributes,
        first_s=first,
        last_s=first + chance.choice((0, 1.5, 8, 30, round(chance.uniform(0, 99), 3))),
    )


def _so(query: Query, record: dict[str, Any], zone: Any) -> bool | None:
    """Whether a query holds, looked at plainly; None where it neither holds nor fails."""
    if isinstance(query, Not):
        so = _so(query.part, record, zone)
        return None if so is None else not so
    if isinstance(query, (And, Or)):
        parts = [_so(part, record, zone) for part in query.parts]
        ends = isinstance(query, Or)  # one part with that ends it
        return ends if ends in parts else None if None in parts else not ends
    if isinstance(query, (Has, Answered, Probability)):
        answer = record["attributes"].get(query.name, {"p": None, "answer": "unknown"})
        if isinstance(query, Has):
            return {"yes": True, "no": False, "unknown": None}[answer["answer"]]
        if isinstance(query, Answered):
            return bool(answer["answer"] == query.answer)
        return None if answer["p"] is None else _COMPARE[query.compare](answer["p"], query.p)
    if isinstance(query, InStream):
        return bool(record["stream"] == query.name)
    if isinstance(query, StreamLike):
        return fnmatch.fnmatchcase(record["stream"].lower(), query.pattern.lower())
    if isinstance(query, Duration):
        seen = round(1000 * (record["last_s"] - record["first_s"]))
        return _COMPARE[query.compare](seen, query.milliseconds)
    return _in_time(query, record, zone)


def _in_time(query: Period | TimeOfDay, record: dict[str, Any], zone: Any) -> bool | None:
    if "time" not in record:
        return None
    ms, second = _moment(record["time"], zone)
    if isinstance(query, Period):
        return (query.since is None or ms >= query.since) and (
            query.until is None or ms < query.until
        )
    if query.start < query.end:
        return query.start <= second < query.end
    return second >= query.start or second < query.end


@functools.cache
def _moment(text: str, zone: Any) -> tuple[int, int]:
    """Milliseconds since 1970, and seconds since midnight by the wall clock."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    wall = moment.astimezone(zone)
    seconds = wall.hour * 3600 + wall.minute * 60 + wall.second
    return round(moment.timestamp() * 1000), seconds


@pytest.fixture(scope="module")
def zone() -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no time zones on this machine: apt install tzdata")


@pytest.fixture(scope="module")
def people() -> list[dict[str, Any]]:
    return _people(2300)


@pytest.fixture(scope="module")
def store(people: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two whole blocks and a part of one."""
    path = tmp_path_factory.mktemp("store") / "people.sqlite"
    with PeopleStore(path) as store:
        store.add_many(people)
    return path


def _newest(people: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    order = sorted(range(len(people)), key=lambda n: (people[n].get("time", ""), n), reverse=True)
    return [people[number] for number in order[:count]]


def test_a_store_answers_as_each_record_does(
    store: Path, people: list[dict[str, Any]], zone: zoneinfo.ZoneInfo
) -> None:
    chance, clock, hits = random.Random(7), WallClock(zone=zone), 0
    with PeopleReader(store) as reader:
        for _ in range(70):
            query = random_query(chance, _NAMES, _STREAMS)
            meant = [record for record in people if _so(query, record, zone)]
            found = reader.search(SearchRequest(query=query, limit=15, clock=clock))
            assert found.total == len(meant), query
            assert found.records == _newest(meant, 15), query
            hits += 0 < len(meant) < len(people)
    assert hits > 35, "most of these queries tell people apart"


def test_events_answer_as_each_record_does(
    people: list[dict[str, Any]], zone: zoneinfo.ZoneInfo, tmp_path: Path
) -> None:
    some = [dict(record) for record in people[:600]]
    for record in some[::5]:
        del record["time"]
    (tmp_path / "e.jsonl.1").write_text("".join(json.dumps(r) + "\n" for r in some[:250]))
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(r) + "\n" for r in some[250:]))
    chance, clock = random.Random(8), WallClock(zone=zone)
    reader = EventsReader([tmp_path / "e.jsonl"])
    for _ in range(25):
        query = random_query(chance, _NAMES[:3], _STREAMS)
        meant = [record for record in some if _so(query, record, zone)]
        found = reader.search(SearchRequest(query=query, limit=9, clock=clock))
        assert found.total == len(meant), query
        assert found.records == _newest(meant, 9), query


def _sure(query: Query, record: dict[str, Any], holds: bool = True) -> float:
    """How surely a query of names holds."""
    if isinstance(query, Not):
        return _sure(query.part, record, not holds)
    if isinstance(query, And | Or):
        parts = [_sure(part, record, holds) for part in query.parts]
        return min(parts) if isinstance(query, And) == holds else max(parts)
    assert isinstance(query, Has)
    answer = record["attributes"].get(query.name, {"p": 0, "answer": "unknown"})
    if answer["answer"] != ("yes" if holds else "no"):
        return 0.0
    return float(answer["p"] if holds else 1 - answer["p"])


def test_the_most_probable_first_and_a_least_probability(
    store: Path, people: list[dict[str, Any]]
) -> None:
    query = Or((And((Has("backpack"), Not(Has("hat")))), Has("long_hair")))
    with PeopleReader(store) as reader:
        for least in (0.0, 0.85):
            found = reader.search(SearchRequest(query=query, min_p=least, order="p", limit=200))
            sure = [_sure(query, record) for record in found.records]
            every = sorted((_sure(query, record) for record in people), reverse=True)
            assert sure == pytest.approx(every[:200])
            meant = [p for p in every if p >= max(least, 1e-9) - 1e-9]
            assert found.total == len([p for p in meant if p > 0])
