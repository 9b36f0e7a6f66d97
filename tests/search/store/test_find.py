"""Answers from blocks and from rows, against a plain look at every record."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edgeattr.search.store import PeopleReader, PeopleStore

from .people import person

_START = datetime(2026, 5, 1, tzinfo=timezone.utc)
_NAMES = ("backpack", "hat", "long_hair", "jeans")


def _people(count: int) -> list[dict[str, Any]]:
    chance = random.Random(5)
    found = []
    for number in range(count):
        attributes = {}
        for name in _NAMES:
            p = round(chance.random(), 4)
            if name == "jeans" and number < 1500:
                continue  # an attribute of a later model
            answer = "unknown" if abs(p - 0.5) < 0.1 else "yes" if p > 0.5 else "no"
            attributes[name] = {"p": p, "answer": answer}
        moment = _START + timedelta(seconds=60 * number + chance.uniform(0, 3600))
        found.append(
            person(
                number,
                stream=f"camera {chance.randrange(3)}",
                time=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                attributes=attributes,
            )
        )
    return found


def _p(record: dict[str, Any], name: str) -> float:
    """-1 where there is none."""
    return record["attributes"].get(name, {"p": -1.0})["p"]


def _answer(record: dict[str, Any], name: str) -> str:
    return record["attributes"].get(name, {"answer": ""})["answer"]


_QUERIES: dict[str | None, Callable[[dict[str, Any]], bool]] = {
    None: lambda r: True,
    "backpack and not hat": lambda r: _answer(r, "backpack") == "yes" and _answer(r, "hat") == "no",
    "backpack >= 80% and hat <= 0.2 and Long-Hair > 0.8": lambda r: (
        _p(r, "backpack") >= 0.8 and 0 <= _p(r, "hat") <= 0.2 and _p(r, "long_hair") > 0.8
    ),
    "jeans > 0.6": lambda r: _p(r, "jeans") > 0.6,
    "hat and not hat": lambda r: False,
    "jeans is unknown or hat is not yes": lambda r: (
        _answer(r, "jeans") in ("", "unknown") or _answer(r, "hat") != "yes"
    ),
}


@pytest.fixture(scope="module")
def people() -> list[dict[str, Any]]:
    return _people(2500)


@pytest.fixture(scope="module")
def path(people: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two whole blocks and a part of one."""
    path = tmp_path_factory.mktemp("store") / "people.sqlite"
    with PeopleStore(path) as store:
        assert store.add_many(people[:1500]) == 1500
        assert store.add_many(people[1500:]) == 1000
    return path


@pytest.mark.parametrize("query", _QUERIES)
@pytest.mark.parametrize(("streams", "since", "until"), [
    ([], None, None), (["camera 1"], "2026-05-02T00:00:00Z", "2026-05-02T06:00:00Z"),
    ([], "2027-01-01T00:00Z", None), (["camera 0", "camera 2"], None, "2026-05-01T03:00+01:00"),
    (["camera 0"], datetime(2026, 5, 2, 7, 30, tzinfo=timezone.utc), None),
])  # fmt: skip
def test_finds_the_very_people_that_are_meant(
    path: Path, people: list[dict[str, Any]], query: str | None, streams: list[str],
    since: Any, until: Any,
) -> None:  # fmt: skip
    def moment(value: Any) -> datetime:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return value

    meant = [
        record for record in people
        if _QUERIES[query](record)
        and (not streams or record["stream"] in streams)
        and (since is None or moment(record["time"]) >= moment(since))
        and (until is None or moment(record["time"]) < moment(until))
    ]  # fmt: skip
    meant.sort(key=lambda record: record["time"], reverse=True)
    with PeopleReader(path) as reader:
        assert reader.count(query, since=since, until=until, streams=streams) == len(meant)
        found = reader.find(query, since=since, until=until, streams=streams, limit=10)
    assert found == meant[:10]


def test_finds_the_same_while_people_are_forgotten(people: list[dict[str, Any]],
                                                   tmp_path: Path) -> None:  # fmt: skip
    path = tmp_path / "people.sqlite"
    query = "backpack and not hat"
    cut = people[700]["time"]
    age = datetime.now(timezone.utc) - datetime.fromisoformat(cut.replace("Z", "+00:00"))
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add_many(people)
        forgotten = store.forget_older(age / timedelta(days=1))
        left = [record for record in people if record["time"] >= cut]
        assert abs(forgotten - (len(people) - len(left))) <= 1  # the clock goes on
        meant = {record["id"] for record in left if _QUERIES[query](record)}
        found = {record["id"] for record in reader.find(query, limit=None)}
        assert len(found ^ meant) <= 1
        assert store.forget_older(0.0) == len(people) - forgotten
        assert reader.find() == []
        store.add_many(people)  # numbers are used again
        assert reader.count() == len(people)
