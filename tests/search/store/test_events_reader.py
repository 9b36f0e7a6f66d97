"""Events files as a run, a kill and a rotation leave them."""

import json
from pathlib import Path

import pytest

from edgeattr.core.errors import InputError, QueryError
from edgeattr.outputs import EventsFile
from edgeattr.search.store import EventsReader, SearchRequest

from .person_events import person


def _write(path: Path, *lines: object) -> Path:
    path.write_bytes(
        b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            for line in lines
        )
    )
    return path


def _tracks(path: Path, query: str | None, **options: object) -> list[int]:
    found = EventsReader([path]).search(SearchRequest(query=query, **options))
    return [record["track"] for record in found.records]


def test_damaged_lines_are_counted_and_others_found(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "e.jsonl", person(1), b"", b"half a li", b"\xff\xfe", b"[1, 2]", b"{}", b"null",
        b"[" * 100_000, {"type": "person", "stream": "door"}, {"type": "summary", "stream": "door"},
        person(2, type="update"), b'{"type": "person", "x": "' + b"y" * 2_000_000 + b'"}',
        person(3, attributes={"hat": {"p": 7, "answer": "yes"}}), person(4, box=[1]),
        person(5, time="noon"), person(7, first_s="1.5"), person(8, stream=5), person(6),
        person(9, time="9999-12-31T23:59:59.999Z"), person(10, last_s=float("inf")),
    )  # fmt: skip
    found = EventsReader([path]).search(SearchRequest(query="backpack"))
    assert [record["track"] for record in found.records] == [6, 1]
    assert found.damaged == 15
    assert found.records[1] == person(1)


def test_files_that_rotation_left_are_read_too_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    sink = EventsFile(path, max_bytes=2000, keep=9)
    for number in range(12):
        event = person(number)
        del event["time"]
        sink.write(event)
    sink.close()
    assert path.with_name("e.jsonl.2").exists()
    assert _tracks(path, None) == list(range(11, -1, -1)), "without a time, the last one first"
    assert _tracks(path, None, limit=2) == [11, 10]


def test_who_has_no_time_is_left_out_by_conditions_on_time_and_told(tmp_path: Path) -> None:
    without = person(2)
    del without["time"]
    path = _write(tmp_path / "e.jsonl", person(1), without)
    for query in ("since 2026-01-01", "not since 2026-01-01", "between 00:00 and 24:00"):
        found = EventsReader([path]).search(SearchRequest(query=query))
        assert [record["track"] for record in found.records] == [1][: "not" not in query]
        assert found.timeless == 1
    assert EventsReader([path]).search(SearchRequest(query="backpack")).timeless == 0
    assert _tracks(path, "backpack") == [1, 2]


def test_names_that_never_came_are_an_error_and_those_that_came_late_are_not(
    tmp_path: Path,
) -> None:
    late = person(9999, attributes={"Cape": {"p": 0.9, "answer": "yes"}}, stream="attic")
    path = _write(tmp_path / "e.jsonl", *(person(n) for n in range(2500)), late)
    assert _tracks(path, "cape") == [9999]
    assert _tracks(path, "cape is unknown", limit=1) == [2499]
    assert _tracks(path, "stream = attic") == [9999]
    with pytest.raises(QueryError, match=r"no attribute `capes` in this file; did you mean `cape`"):
        _tracks(path, "capes")
    with pytest.raises(QueryError, match='no stream "attics" in this file; did you mean `"attic"`'):
        _tracks(path, None, streams=("attics",))


def test_names_that_mean_the_same_want_quotes(tmp_path: Path) -> None:
    yes, no = {"p": 0.9, "answer": "yes"}, {"p": 0.1, "answer": "no"}
    path = _write(
        tmp_path / "e.jsonl",
        person(1, attributes={"Long Hair": yes, "LONG-hair": no, "x\x1b[31m": yes, "été": yes}),
    )
    with pytest.raises(QueryError, match='could be "Long Hair" or "LONG-hair"; write it so'):
        _tracks(path, "long hair")
    assert _tracks(path, "'Long Hair' and not \"LONG-hair\" and ÉTÉ") == [1]
    with pytest.raises(QueryError) as caught:
        _tracks(path, "zzz")
    assert "\x1b" not in str(caught.value)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            _tracks(path, None)
    assert _tracks(_write(tmp_path / "empty"), None) == []
    text = _write(tmp_path / "text", b"dear diary", b"{}")
    for query in (None, "hat"):
        with pytest.raises(InputError, match="no line tells of a person, and 2 lines are damaged"):
            _tracks(text, query)
    half = _write(tmp_path / "half", person(1), b"dear diary")
    with pytest.raises(QueryError, match="`cape` in this file, of which 1 line is damaged; it"):
        _tracks(half, "cape")


def test_a_store_is_no_file_of_events(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"\0" * 4000)
    with pytest.raises(InputError, match=r"people\.sqlite: is a SQLite file .* --store"):
        EventsReader([path]).search(SearchRequest())
