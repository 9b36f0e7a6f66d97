import json
import os
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edgeattr.search.store import PeopleReader, PeopleStore

from ...waiting import until
from .person_events import person, rows_of


def _ago(days: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(days=days)).isoformat()


def test_old_people_go_and_leave_a_count(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    secret = "a face that must not stay " * 40
    with PeopleStore(path) as store:
        store.add_many([person(number, time=_ago(40)) for number in range(250)])
        store.add(person(300, time=_ago(31), note=secret))
        store.add(person(301, time=_ago(29), note="a young face"))
    assert secret.encode() in path.read_bytes()
    with PeopleStore(path, retention_days=30), PeopleReader(path) as reader:
        until(lambda: reader.count() == 1)
        assert [found["track"] for found in reader.find(limit=None)] == [301]
        (entry,) = rows_of(path, "audit")
        assert entry["act"] == "retention applied"
        assert entry["pid"] == os.getpid()
        assert entry["who"]
        assert json.loads(entry["detail"])["persons"] == 251
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"must not stay" not in left, "what was deleted is overwritten"
    assert b"a young face" in left


def test_people_of_a_clock_that_was_ahead_go_when_their_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add_many([person(1, time="2099-01-01T00:00:00Z"), person(2, time=_ago(0))])
        assert [found["track"] for found in reader.find("last 2h")] == [2]
        assert store.forget_older(30) == 0, "nobody knows yet how old the first one is"
        with sqlite3.connect(path) as connection:  # 31 days later
            connection.execute("UPDATE people SET kept_from = kept_from - 31 * 86400000")
        connection.close()
        assert store.forget_older(30) == 1
        assert [found["track"] for found in reader.find()] == [2]


def test_without_retention_nobody_goes(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    with PeopleStore(path) as store:
        store.add(person(1, time=_ago(4000)))
    with PeopleStore(path), PeopleReader(path) as reader:
        assert reader.count() == 1
        assert rows_of(path, "audit") == []
