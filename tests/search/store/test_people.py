import os
import sqlite3
import tempfile
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeattr.core.errors import InputError, OutputError, QueryError, UsageError
from edgeattr.search.store import PeopleReader, PeopleStore

from ...small_disk import small_disk
from .people import person


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "people.sqlite"


def test_a_record_comes_back_as_it_was(path: Path) -> None:
    full = person(1, colour={"upper": "red"}, id="not-a-uuid")
    plain = person(2)
    bare = {key: value for key, value in person(3).items() if key not in ("id", "time")}
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add(full, crop=b"\xff\xd8 jpeg")
        store.add(plain)
        assert reader.get("not-a-uuid") == full
        assert reader.get(plain["id"]) == plain
        assert reader.crop("not-a-uuid") == b"\xff\xd8 jpeg"
        assert reader.crop(plain["id"]) is None
        assert reader.get("nobody") is None
        store.add(bare)
        newest = reader.find(limit=1)[0]
        assert {**newest, **bare} == newest
        written = datetime.fromisoformat(newest["time"].replace("Z", "+00:00"))
        assert abs((datetime.now(timezone.utc) - written).total_seconds()) < 60
        assert newest["id"]
        assert reader.names("stream") == ("door",)
    assert path.stat().st_mode & 0o077 == 0, "for its owner alone"


def test_the_same_id_is_written_once(path: Path) -> None:
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add(person(1))
        store.add(person(1, stream="elsewhere"))
        assert store.add_many([person(1), person(2)]) == 1
        assert reader.count() == 2
        assert reader.find()[0]["stream"] == "door"


@pytest.mark.parametrize(
    "wrong",
    [{"track": None}, {"box": [1, 2]}, {"time": "noon"}, {"stream": None, "attributes": 3},
     {"attributes": {"hat": {"p": 1.5, "answer": "yes"}}},
     {"attributes": {"hat": {"p": 0.5, "answer": "maybe"}}}],
)  # fmt: skip
def test_what_is_no_record_is_refused_and_harms_no_other(path: Path, wrong: dict) -> None:
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        with pytest.raises(OutputError, match="not a person's record"):
            store.add_many([person(1), person(2, **wrong)])
        assert reader.count() == 0
        store.add(person(3))
        assert reader.count() == 1


def test_many_threads_and_two_writers_share_a_file(path: Path) -> None:
    """Each store has a connection of its own, as another process would."""
    failed: list[Exception] = []

    def write(store: PeopleStore, first: int) -> None:
        try:
            for number in range(first, first + 40):
                store.add(person(number, stream=f"camera {number % 3}"))
                if number % 10 == 0:
                    with PeopleReader(path) as reader:
                        assert reader.get(person(number)["id"])
        except Exception as error:
            failed.append(error)

    with PeopleStore(path) as one, PeopleStore(path) as other:
        threads = [
            threading.Thread(target=write, args=(store, 1000 * index))
            for index, store in enumerate([one, other, one, other, one])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
    with PeopleReader(path) as reader:
        assert reader.count() == 200
        assert set(reader.names("stream")) == {"camera 0", "camera 1", "camera 2"}
        assert {found["track"] for found in reader.find(streams=["camera 1"], limit=None)} == {
            number for base in range(5) for number in range(1000 * base, 1000 * base + 40)
            if number % 3 == 1
        }  # fmt: skip


def test_files_that_are_something_else_are_refused_unharmed(tmp_path: Path) -> None:
    newer, other, text = (tmp_path / name for name in ("newer", "other", "text"))
    PeopleStore(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    text.write_text("dear diary " * 100)
    for path, said in (
        (newer, "has version 99.*up to 2"),
        (other, "not a store of people"),
        (text, "not a database"),
        (tmp_path, "cannot be written"),
    ):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(OutputError, match=said):
            PeopleStore(path)
        if path.is_file():
            with pytest.raises(InputError, match=said):
                PeopleReader(path)
            assert path.read_bytes() == before
    with pytest.raises(InputError, match="no such store"):
        PeopleReader(tmp_path / "absent")
    with pytest.raises(UsageError, match="more than 0"):
        PeopleStore(tmp_path / "absent", retention_days=0)
    assert not (tmp_path / "absent").exists()


def _add_until_refused(store: PeopleStore, kept: list[int]) -> None:
    for number in range(1, 500):
        store.add(person(number))
        kept.append(number)


def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "people.sqlite"
    with small_disk(path.parent) as fill, PeopleStore(path) as store:
        store.add(person(0))
        fill(True)
        kept = [0]
        with pytest.raises(OutputError, match="cannot be written"):
            _add_until_refused(store, kept)
        with pytest.raises(OutputError, match="cannot be written"):
            store.add(person(501), crop=os.urandom(200_000))
        fill(False)
        store.add(person(502))
        with PeopleReader(path) as reader:
            tracks = {found["track"] for found in reader.find(limit=None)}
            assert tracks == {*kept, 502}


def test_a_closed_store_says_so(path: Path) -> None:
    store = PeopleStore(path, retention_days=30)
    store.close()
    store.close()
    with pytest.raises(OutputError, match="closed"):
        store.add(person(1))


def test_asking_for_what_the_store_does_not_know(path: Path) -> None:
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        with pytest.raises(UsageError, match="it has: none yet"):
            reader.count(streams=["door"])
        store.add(person(1))
        with pytest.raises(QueryError, match=r"no attribute `cape`.*it has: backpack, hat"):
            reader.count("cape")
        with pytest.raises(QueryError, match=r"did you mean `hat`\?\n  not hatt\n      \^\^\^\^$"):
            reader.count("not hatt")
        with pytest.raises(QueryError, match=r'no stream "attic".*it has: door'):
            reader.count(streams=["attic"])
        with pytest.raises(QueryError, match=r"expected a time such as"):
            reader.count(since="noon")
        with pytest.raises(UsageError, match="not a probability"):
            reader.count("hat", min_p=80)
        with pytest.raises(UsageError, match="limit = -1"):
            reader.find(limit=-1)


def test_a_store_is_read_where_nothing_may_be_written() -> None:
    """As from a backup, or by another user: SQLite would like to write beside the file."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's are closed to other users
        path = Path(folder) / "people.sqlite"
        with PeopleStore(path) as store:
            store.add(person(1))
        path.chmod(0o644)
        Path(folder).chmod(0o555)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.getuid() == 0:
                    os.setuid(65534)
                with PeopleReader(path) as reader:
                    code = 0 if reader.count() == 1 else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        Path(folder).chmod(0o755)
