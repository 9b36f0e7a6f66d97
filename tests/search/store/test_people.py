import os
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import InputError, OutputError, QueryError, UsageError
from edgeattr.search.query import And, Answered, Has, InStream, Probability
from edgeattr.search.store import PeopleReader, PeopleStore
from edgeattr.search.store.database import network_file_system

from ...small_disk import small_disk
from .person_events import person


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "people.sqlite"


def test_a_record_comes_back_as_it_was(path: Path) -> None:
    full = person(1, colour={"upper": "red"}, id="not-a-uuid")
    plain = person(2, stream=os.fsdecode(b"/videos/caf\xe9.mp4"))  # no Unicode
    bare = {key: value for key, value in person(3).items() if key not in ("id", "time")}
    store = PeopleStore(path, retention_days=36500)
    with store, PeopleReader(path) as reader:
        store.add(full)
        store.add(plain)
        assert reader.get("not-a-uuid") == full
        assert reader.get(plain["id"]) == plain
        assert reader.get("nobody") is None
        assert reader.find(InStream(plain["stream"])) == [plain]
        store.add(bare)
        newest = reader.find(limit=1)[0]
        assert {**newest, **bare} == newest
        written = datetime.fromisoformat(newest["time"].replace("Z", "+00:00"))
        assert abs((datetime.now(timezone.utc) - written).total_seconds()) < 60
        assert newest["id"]
        assert set(reader.known_names().streams) == {"door", plain["stream"]}
    assert path.stat().st_mode & 0o077 == 0, "for its owner alone"
    store.close()
    with pytest.raises(OutputError, match="closed"):
        store.add(person(1))


def test_the_same_id_is_written_once(path: Path) -> None:
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add(person(1))
        store.add(person(1, stream="elsewhere"))
        assert store.add_many([person(1), person(2)]) == 1
        assert reader.count() == 2
        assert reader.find()[0]["stream"] == "door"


def test_who_was_never_asked_is_surely_not_answered_yes(path: Path) -> None:
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add(person(1, attributes={}))
        store.add(person(2, attributes={"hat": {"p": 0.4, "answer": "no"}}))
        found = reader.find("hat is not yes", order="p")
        assert [record["track"] for record in found] == [1, 2]


@pytest.mark.parametrize(
    "wrong",
    [{"track": None}, {"box": [1, 2]}, {"time": "noon"}, {"stream": None, "attributes": 3},
     {"track": 2**63}, {"first_s": float("nan")}, {"box": [1, 2, 3, float("inf")]},
     {"stream": 5}, {"colours": {"hair": {"name": "red", "p": 2}}}, {"id": "\ud800"},
     {"attributes": {"hat": {"p": 1.5, "answer": "yes"}}},
     {"attributes": {"hat": {"p": 0.5, "answer": "maybe"}}}, {"zones": {"door": 1e300}}],
)  # fmt: skip
def test_what_is_no_record_is_refused_and_harms_no_other(path: Path, wrong: dict) -> None:
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        with pytest.raises(OutputError, match="not a person's record"):
            store.add_many([person(1), person(2, **wrong)])
        assert reader.count() == 0
        store.add(person(3))
        assert reader.count() == 1


def test_people_of_a_time_and_a_place(path: Path) -> None:
    hours = [person(n, stream=f"cam {n % 3}", time=f"2026-05-01T{n:02}:00:00Z") for n in range(24)]
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add_many(hours)
        for asked, tracks in (
            ({"since": "2026-05-01T20:00Z"}, [23, 22, 21, 20]),
            ({"until": datetime(2026, 5, 1, 2, tzinfo=timezone.utc)}, [1, 0]),
            ({"since": "2026-05-01T12:00+02:00", "until": "2026-05-01T12:00Z"}, [11, 10]),
            ({"streams": ["cam 1", "cam 2"], "until": "2026-05-01T05:00Z"}, [4, 2, 1]),
            ({"streams": ["cam 0"], "limit": 2}, [21, 18]),
        ):
            assert [found["track"] for found in reader.find("not hat", **asked)] == tracks
            asked.pop("limit", None)
            assert reader.count("not hat", **asked) == len(reader.find(limit=None, **asked))


def test_times_in_view_that_make_no_sense_harm_nobody(path: Path) -> None:
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add_many(person(n, first_s=5.0 * (n % 2), last_s=1e300 * (n % 3)) for n in range(12))
        assert (reader.count("seen <= 0s"), reader.count("seen > 1h")) == (4, 8)


def test_an_attribute_that_is_new_is_a_new_column(path: Path) -> None:
    """Also for another writer, who does not know it yet; and whatever it is called."""
    names = ("Cape", "time", "hat_p", "x'\"; --", "\ud800", "", "rowid", "select", "é" * 99)
    yes = {"p": 0.75, "answer": "yes"}
    people = [person(n, attributes={name: yes}) for n, name in enumerate(names)]
    with PeopleStore(path) as one, PeopleStore(path) as other, PeopleReader(path) as reader:
        for number, record in enumerate(people):
            (one, other)[number % 2].add(record)
            (other, one)[number % 2].add({**record, "id": f"again {number}"})
        assert reader.known_names().attributes == names
        for record, name in zip(people, names, strict=True):
            assert reader.get(record["id"]) == record
            assert reader.count(And((Has(name), Probability(name, ">=", 0.75)))) == 2
            assert reader.count(Answered(name, "unknown")) == 2 * len(names) - 2
        many = {f"a{n}": yes for n in range(990)}
        with pytest.raises(OutputError, match="at most 1900 fit"):
            one.add(person(50, attributes=many))
        one.add(person(51))
        assert reader.count() == 2 * len(names) + 1


def test_colours_are_asked_for_by_name(path: Path) -> None:
    def wearing(number: int, colour: str, p: float, **changes: Any) -> dict[str, Any]:
        hair = {"name": "black", "p": 0.5, "second": None}
        upper = {"name": colour, "p": p, "second": "pink"}
        return person(number, colours={"upper_body": upper, "hair": hair}, **changes)

    unsure = {"upper_body_black": {"p": 0.4, "answer": "unknown"}}
    people = [
        person(0), wearing(1, "red", 0.9), wearing(2, "light blue", 0.6),
        wearing(3, "unknown", 0.6), wearing(4, "black", 0.55, attributes=unsure),
    ]  # fmt: skip
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        store.add_many(people)
        for query, tracks in (
            ("red upper_body", [1]), ("Red Upper Body and black hair", [1]),
            ("black hair", [4, 3, 2, 1]), ("not red upper_body", [4, 2]),
            ("red upper_body is unknown", [3, 0]), ("red upper_body is not yes", [4, 3, 2, 0]),
            ("light blue upper body > 50%", [2]), ("red_top", [1]), ("not Red top", [4, 2]),
            ("light blue top > 50%", [2]), ("red upper_body < 40%", []),
            ("red upper_body <= 40%", [2]),
            ("black upper body", [4]), ("black top", []),  # a label asks for the answer first
            ("black_top is unknown and black upper body", [4]),
        ):  # fmt: skip
            assert [found["track"] for found in reader.find(query)] == tracks, query
        assert reader.find("red upper_body", min_p=0.95) == []
        assert reader.find("red upper_body or black hair", order="p")[0] == people[1]
        for wrong in ("red_upper_body", "red_top"):
            with pytest.raises(QueryError, match=f"did you mean `{wrong}`"):
                reader.find(wrong.replace("red", "ret"))
        assert reader.get(people[2]["id"]) == people[2]


def test_a_network_file_system_is_refused_with_the_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PeopleStore(path) as store:
        store.add(person(1))
    device = path.stat().st_dev
    mounts = path.with_name("mountinfo")
    local = f"1 1 {os.major(device)}:{os.minor(device)} / / rw shared:1 - ext4 /dev/sda1 rw\n"
    share = local.replace("ext4 /dev/sda1", "nfs4 server:/people")
    for text, kind in ((local, None), (share, "nfs4"), ("", None), ("\n1 2\n", None)):
        mounts.write_text(text)
        assert network_file_system(path, mounts) == kind
    assert network_file_system(path) is None, "tests run on a disk of this machine"
    for module in ("database", "people_reader"):
        monkeypatch.setattr(
            f"edgeattr.search.store.{module}.network_file_system", lambda path: "cifs"
        )
    with pytest.raises(OutputError, match=r"network file system \(cifs\).*disk of this machine"):
        PeopleStore(path)
    with PeopleReader(path) as reader:
        assert reader.count() == 1, "a copy that nobody writes is read"
    path.with_name(f"{path.name}-wal").touch()
    with pytest.raises(InputError, match="ask on the machine that writes it"):
        PeopleReader(path)


def test_many_threads_and_two_writers_share_a_file(path: Path) -> None:
    """Each store has a connection of its own, as another process would."""

    def write(store: PeopleStore, first: int) -> None:
        for number in range(first, first + 40):
            store.add(person(number, stream=f"camera {number % 3}"))
            if number % 10 == 0:
                with PeopleReader(path) as reader:
                    assert reader.get(person(number)["id"])

    firsts = range(0, 5000, 1000)
    with PeopleStore(path) as one, PeopleStore(path) as other, ThreadPoolExecutor(5) as pool:
        list(pool.map(write, [one, other, one, other, one], firsts))
    with PeopleReader(path) as reader:
        assert reader.count() == 200
        assert set(reader.known_names().streams) == {"camera 0", "camera 1", "camera 2"}
        assert {found["track"] for found in reader.find(streams=["camera 1"], limit=None)} == {
            number for first in firsts for number in range(first, first + 40) if number % 3 == 1
        }


def test_files_that_are_something_else_are_refused_unharmed(tmp_path: Path) -> None:
    newer, older, other, text = (tmp_path / name for name in ("newer", "older", "other", "text"))
    for path, version in ((newer, 99), (older, 2)):
        PeopleStore(path).close()
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    text.write_text("dear diary " * 100)
    for path, said in (
        (newer, "has version 99.*knows version 4; update edgeattr"),
        (older, "has version 2, which only an older edgeattr reads.*move the file away"),
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


def _add_until_refused(store: PeopleStore) -> None:
    for number in range(1, 500):
        store.add(person(number))


def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "people.sqlite"
    with small_disk(path.parent) as fill, PeopleStore(path) as store:
        store.add(person(0))
        fill(True)
        with pytest.raises(OutputError, match="cannot be written"):
            _add_until_refused(store)
        with pytest.raises(OutputError, match="cannot be written"):
            store.add(person(501, more="x" * 200_000))
        fill(False)
        store.add(person(502))
        with PeopleReader(path) as reader:
            tracks = sorted(found["track"] for found in reader.find(limit=None))
            assert tracks == [*range(len(tracks) - 1), 502], "all that were added before"


def test_asking_for_what_the_store_does_not_know(path: Path) -> None:
    with PeopleStore(path) as store, PeopleReader(path) as reader:
        with pytest.raises(UsageError, match=r"it has: none$"):
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
