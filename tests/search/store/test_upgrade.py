"""A store of version 1, which has no times in view in its blocks."""

import sqlite3
from pathlib import Path

import pytest

from edgeattr.core.errors import OutputError
from edgeattr.search.store import PeopleReader, PeopleStore

from ...small_disk import small_disk
from .people import person


def _version_1(path: Path, count: int) -> None:
    with PeopleStore(path) as store:
        store.add_many(person(n, first_s=1.0, last_s=1.0 + n % 50) for n in range(count))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM columns WHERE place < 1 << 32")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def _state(path: Path) -> tuple[int, int]:
    """Its version, and how many blocks have times in view."""
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (blocks,) = connection.execute("SELECT count(*) FROM columns WHERE place < 1 << 32").fetchone()
    connection.close()
    return version, blocks


def test_version_1_is_read_as_it_is_and_upgraded_by_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    _version_1(path, 2500)
    with PeopleReader(path) as reader:
        before = reader.count("seen > 20s and backpack")
        assert before == 2500 * 29 / 50
    assert _state(path) == (1, 0), "reading changes nothing"
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        assert _state(path) == (2, 2)
        assert reader.count("seen > 20s and backpack") == before
        store.add(person(9000, first_s=0, last_s=100))
        assert reader.count("seen > 20s") == before + 1
        assert [found["track"] for found in reader.find("seen >= 100s")] == [9000]
        assert store.forget_older(0) == 2501, "times in view go with the people"
    assert _state(path) == (2, 0)


def test_an_upgrade_without_room_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    made, path = tmp_path / "made", tmp_path / "disk" / "people.sqlite"
    _version_1(made, 2500)
    with small_disk(path.parent) as fill:
        path.write_bytes(made.read_bytes())
        fill(True)
        with pytest.raises(OutputError, match="cannot be written"):
            PeopleStore(path).close()
        fill(False)
        assert _state(path) == (1, 0)
        PeopleStore(path).close()
        assert _state(path) == (2, 2)


def test_times_in_view_that_make_no_sense_harm_nobody(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    odd = [(5.0, 1.0), (0.0, float("inf")), (float("inf"), float("inf")), (0.0, 1e300)]
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add_many(person(n, first_s=odd[n % 4][0], last_s=odd[n % 4][1]) for n in range(1200))
        assert reader.count("seen <= 0s") == 600
        assert reader.count("seen > 1h") == 600
