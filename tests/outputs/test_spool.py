import logging
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.outputs import Spool, spool_path

from ..small_disk import small_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "spool.sqlite"


def _payloads(spool: Spool, count: int = 1000) -> list[bytes]:
    return [entry.payload for entry in spool.peek(count)]


def test_first_in_first_out_over_several_openings(path: Path) -> None:
    with Spool(path) as spool:
        for word in (b"one", b"two", b"three"):
            spool.put(word)
        first, second = spool.peek(2)
        assert (first.payload, second.payload) == (b"one", b"two")
        spool.remove([first.number, 999])
    with pytest.raises(OutputError, match="closed"):
        spool.put(b"x")
    with Spool(path) as spool:
        spool.put(b"four")
        assert _payloads(spool) == [b"two", b"three", b"four"]
        assert spool.totals() == (3, 12, 0)
        spool.remove([entry.number for entry in spool.peek(5)])
        assert spool.totals() == (0, 0, 0)
        assert spool.peek(5) == []
    assert path.stat().st_mode & 0o077 == 0, "for its owner alone"


def test_beyond_its_limits_the_oldest_go_and_are_counted(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Spool(path, max_events=3, max_bytes=100) as spool:
        for number in range(5):
            spool.put(b"%d" % number)
        assert _payloads(spool) == [b"2", b"3", b"4"]
        spool.put(b"x" * 99)
        assert _payloads(spool) == [b"4", b"x" * 99]
        assert spool.totals() == (2, 100, 4)
        with pytest.raises(OutputError, match="101 bytes are more than the limit of 100"):
            spool.put(b"x" * 101)
        assert spool.totals().events == 2
    assert caplog.text.count("is full") == 1, "said once, not each time"
    with Spool(path) as spool:
        assert spool.totals().dropped == 4
    with pytest.raises(UsageError, match="at least 1"):
        Spool(path, max_events=0)


def test_another_process_is_told_off(path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom edgeattr.outputs.spool import Spool\n"
        "Spool(Path(sys.argv[1]))"
    )
    with Spool(path) as spool:
        spool.put(b"mine")
        other = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
        )
        assert "another process sends from this spool" in other.stderr
    with Spool(path) as spool:
        assert _payloads(spool) == [b"mine"]


@pytest.mark.parametrize("harm", ["header", "page", "cut"])
def test_a_damaged_file_is_set_aside(
    path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    with Spool(path) as spool:
        for number in range(200):
            spool.put(b"%d" % number * 100)
    content = bytearray(path.read_bytes())
    if harm == "header":
        content[:200] = bytes(range(200))
    elif harm == "page":
        content[8192:20000] = random.Random(1).randbytes(20000 - 8192)
    else:
        del content[10_000:]
    path.write_bytes(content)
    with Spool(path) as spool:
        spool.put(b"new")
        assert _payloads(spool) == [b"new"]
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == content
    assert "was set aside" in caplog.text


def test_a_file_damaged_while_in_use_is_set_aside(path: Path) -> None:
    with Spool(path) as spool:
        for _ in range(200):
            spool.put(b"x" * 500)
        sent = [entry.number for entry in spool.peek(50)]
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(os.urandom(100_000))
        for number in range(3):
            spool.put(b"%d" % number)
        spool.remove(sent)
        assert _payloads(spool) == [b"0", b"1", b"2"], "others than those that were sent meanwhile"
    assert len(list(path.parent.glob("*.damaged-*[0-9]"))) == 1


def test_files_that_are_not_ours_are_left_alone(path: Path) -> None:
    Spool(path).close()
    for change, said in (
        ("PRAGMA user_version = 7", "has version 7"),
        ("PRAGMA application_id = 1", "not a spool"),
    ):
        with sqlite3.connect(path) as connection:
            connection.execute(change)
        connection.close()
        with pytest.raises(OutputError, match=said):
            Spool(path)
    assert not list(path.parent.glob("*.damaged-*"))


def _put_until_refused(spool: Spool) -> None:
    for _ in range(1000):
        spool.put(b"x" * 5000)


def test_a_full_disk_is_told_and_putting_goes_on_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "spool.sqlite"
    with small_disk(path.parent) as fill, Spool(path) as spool:
        spool.put(b"before")
        fill(True)
        with pytest.raises(OutputError, match="cannot be written"):
            _put_until_refused(spool)
        kept = spool.totals().events
        assert _payloads(spool) == [b"before", *[b"x" * 5000] * (kept - 1)]
        fill(False)
        spool.put(b"after")
        assert _payloads(spool)[-1] == b"after"
        assert spool.totals().events == kept + 1
        assert not list(path.parent.glob("*.damaged-*"))


def test_the_usual_place_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    one = spool_path("https://host:443", secret="/hook/T0KEN")
    other = spool_path("https://host:443", secret="/hook/other")
    assert one != other
    assert one.parent == other.parent
    assert one.name.startswith("https-host-443-")
    assert "T0KEN" not in str(one)
