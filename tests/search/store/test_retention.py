import json
import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edgeattr.search.store import PeopleReader, PeopleStore

from .people import person


def _ago(days: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(days=days)).isoformat()


def test_old_people_go_with_their_crops_and_leave_a_count(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    secret = b"\xff\xd8" + b"a face that must not stay " * 40
    with PeopleStore(path) as store:
        store.add_many([person(number, time=_ago(40)) for number in range(250)])
        store.add(person(300, time=_ago(31)), crop=secret)
        store.add(person(301, time=_ago(29)), crop=b"a young face")
    assert secret in path.read_bytes()
    with PeopleStore(path, retention_days=30) as store, PeopleReader(path) as reader:
        deadline = time.monotonic() + 20
        while reader.count() > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [found["track"] for found in reader.find()] == [301]
        assert reader.crop(person(301)["id"]) == b"a young face"
        (entry,) = reader.audit()
        assert entry["act"] == "retention applied"
        assert entry["pid"] == os.getpid()
        assert entry["who"]
        detail = json.loads(entry["detail"])
        assert (detail["persons"], detail["crops"]) == (251, 1)
        store.audit("crops stored", {"asked": True})
        assert [row["act"] for row in reader.audit()] == ["retention applied", "crops stored"]
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"must not stay" not in left, "what was deleted is overwritten"
    assert b"a young face" in left


def test_without_retention_nobody_goes(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    with PeopleStore(path) as store:
        store.add(person(1, time=_ago(4000)))
    with PeopleStore(path), PeopleReader(path) as reader:
        assert reader.count() == 1
        assert reader.audit() == []
