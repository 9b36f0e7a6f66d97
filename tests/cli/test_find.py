"""`edgeattr find` as people call it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeattr.search.store import PeopleStore

from ..search.store.person_events import person
from .program import Said, edgeattr

Find = Callable[..., Said]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 people: every other one with a hat, every fifth at the dock."""
    path = tmp_path_factory.mktemp("store") / "people.sqlite"
    with PeopleStore(path) as store:
        store.add_many(_people())
    return path


def _people() -> Iterator[dict[str, Any]]:
    for number in range(250):
        hat = {"p": 0.9, "answer": "yes"} if number % 2 else {"p": 0.02, "answer": "no"}
        backpack = {"p": 0.5 + number / 1000, "answer": "yes"}
        yield person(
            number,
            stream="dock" if number % 5 == 0 else "door",
            time=f"2026-05-01T{12 + number // 60:02}:{number % 60:02}:00.000Z",
            attributes={"hat": hat, "backpack": backpack, "jeans": {"p": 1.0, "answer": "yes"}},
        )


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> Iterator[Find]:
    """Runs the program, three hours east of Greenwich."""
    monkeypatch.setenv("TZ", "XYZ-3")
    time.tzset()
    yield lambda *arguments: edgeattr("find", *arguments, code=None)
    monkeypatch.undo()
    time.tzset()


def test_lines_say_what_tells_people_apart(find: Find, tmp_path: Path) -> None:
    names = ("hair_black", "upper_body_red", "casual_upper")
    attributes = {name: {"p": 0.9, "answer": "yes"} for name in names}
    with PeopleStore(tmp_path / "people.sqlite") as store:
        store.add_many([person(1, attributes=attributes, labels=["black hair", "red top"])])
    _, out, _ = find("hair_black", "--store", tmp_path / "people.sqlite")
    assert out.splitlines()[0].endswith("hair_black yes 90%; red top")
    _, out, _ = find("red_top", "--store", tmp_path / "people.sqlite")
    assert out.splitlines()[0].endswith("upper_body_red yes 90%; black hair")


def test_lines_for_people_and_json_for_machines(find: Find, store: Path) -> None:
    code, out, err = find("Hat and stream = dock", "--store", store, "--limit", 2)
    assert code == 0
    assert out.splitlines()[0] == (
        "2026-05-01 19:05:00  dock  8.1 s  hat yes 90%; backpack, jeans"
    ), "by the clock here"
    assert err == "25 people match; these are the latest 2 (--limit)\n"
    code, out, _ = find("hat and stream = dock", "--store", store, "--json", "--limit", 0)
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == 25
    assert records[0] == {**person(), **list(_people())[245]}


def test_counting_bounds_times_and_order(find: Find, store: Path) -> None:
    for arguments, count in (
        ((), 250), (("not hat",), 125), (("hat", "--min-p", 0.95), 0),
        (("backpack >= 0.7", "--stream", "dock"), 10),
        (("--stream", "dock", "--stream", "door"), 250),
        (("between 15:00 and 16:00",), 60), (("--since", "2026-05-01 18:00"), 70),
        (("hat", "--since", "2026-05-01T13:00Z", "--until", "2026-05-01 16:30"), 15),
        (("--until", "2026-05-01"), 250), (("before 2026-05-01",), 0),
    ):  # fmt: skip
        assert find(*arguments, "--store", store, "--count")[:2] == (0, f"{count}\n"), arguments
    out = find("backpack", "--store", store, "--sort", "p", "--limit", 3, "--json")[1]
    assert [json.loads(line)["track"] for line in out.splitlines()] == [249, 248, 247]
    assert "these are the most probable 1" in find("hat", "--store", store, "--sort", "p",
                                                   "--limit", 1)[2]  # fmt: skip


def test_names_are_listed(find: Find, store: Path, tmp_path: Path) -> None:
    assert find("--store", store, "--attributes")[1] == "hat\nbackpack\njeans\n"
    assert set(find("--store", store, "--streams")[1].split()) == {"dock", "door"}
    events = tmp_path / "e.jsonl"
    events.write_text(json.dumps(person()) + "\n")
    assert "long_hair" in find("--events", events, "--attributes")[1]


def test_nobody_is_no_error_and_what_is_wrong_has_its_code(
    find: Find, store: Path, tmp_path: Path
) -> None:
    code, out, err = find("hat and not hat", "--store", store)
    assert (code, out, err) == (0, "", "nobody matches\n")
    code, out, err = find("jeans and not hatt", "--store", store)
    assert (code, out) == (2, "")
    assert err == (
        "edgeattr: no attribute `hatt` in this store; did you mean `hat`?\n"
        "  jeans and not hatt\n                ^^^^\n"
    )
    assert "did you mean `hat and jeans`?" in find("hat jeans", "--store", store)[2]
    text = tmp_path / "text"
    text.write_text("dear diary " * 100)
    for code, arguments in (
        (2, ("", "--store", store)), (2, ("hat and", "--store", tmp_path / "absent")),
        (2, ("hat",)),
        (2, ("hat", "--store", store, "--events", text)), (2, ("hat", "--store", store, "more")),
        (2, ("--since", "noon", "--store", store)), (2, ("--stream", "attic", "--store", store)),
        (2, ("--contact-sheet", store, "--store", store)), (2, ("--min-p", 2, "--store", store)),
        (2, ("'; DROP TABLE people; --", "--store", store)), (1, ("hat", "--events", text)),
        (1, ("hat", "--store", tmp_path / "absent")), (1, ("hat", "--store", text)),
        (1, ("hat", "--events", tmp_path)),
    ):  # fmt: skip
        assert find(*arguments)[0] == code, arguments
    assert find("--store", store, "--count")[1] == "250\n", "all are still there"


def test_events_with_damage_half_characters_and_escapes(find: Find, tmp_path: Path) -> None:
    events = tmp_path / "e.jsonl"
    hostile = person(1, stream="\x1b[31m[red]\ud800")
    del hostile["time"]
    events.write_text(json.dumps(hostile) + "\nhalf a l\n" + json.dumps(person(2)) + "\n")
    code, out, err = find("not hat or today", "--events", events)
    assert code == 0
    assert "\x1b" not in out
    assert "[31m[red]" in out
    assert "1.5 s into it" in out
    assert "1 damaged line was passed over" in err
    assert "1 person has no time" in err
    lines = find("--events", events, "--json")[1].splitlines()
    assert [json.loads(line) for line in lines] == [person(2), hostile]


def test_a_table_on_a_terminal(store: Path) -> None:
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "edgeattr",
        "find",
        "not hat",
        "--store",
        store,
        "--limit",
        "3",
    ]
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm", "TZ": "UTC"}
    subprocess.run(command, stdout=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "last seen" in shown
    assert "0:00:01" in shown, "where in the video"
    assert "hat no 2%" in shown
    assert shown.count("2026-05-01") == 3


def test_a_reader_that_goes_away_is_no_traceback(store: Path) -> None:
    command = f"{sys.executable} -m edgeattr find --json --limit 0 --store {store} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["type"] == "person"
    assert "Traceback" not in done.stderr
