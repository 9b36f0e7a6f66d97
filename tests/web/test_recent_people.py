"""What the board remembers, forgets, counts and tells."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.web.app import PeopleFilter
from edgeattr.web.recent_people import PeopleChanges, PeopleCounts, RecentPeople

from .people import NAMES, record


def _told(changes: PeopleChanges) -> list[tuple[int, bool]]:
    people = [json.loads(text) for text in changes.people]
    return [(person["track"], person["in_view"]) for person in people]


def test_people_come_into_view_leave_and_are_told_once() -> None:
    board = RecentPeople(NAMES)
    board.watch("door", [record(1), record(2)])
    first = board.changes()
    assert first.whole
    assert _told(first) == [(1, True), (2, True)]
    nothing = board.changes(first.at)
    assert (nothing.whole, nothing.people, nothing.gone) == (False, [], [])
    board.watch("door", [record(2, last_s=9.0)])  # 1 was nobody after all
    board.write(record(2, "door", "yes").to_json())
    then = board.changes(first.at)
    assert not then.whole
    assert _told(then) == [(2, False)]
    assert list(then.gone) == [record(1).id]
    assert board.counts()["people_in_view"] == 0
    person = board.person(record(2).id)
    assert person["attributes"]["hat"] == {"p": 0.93, "answer": "yes"}
    assert person["picture"] is None
    assert "crop" not in person
    board.close()


def test_updates_and_summaries_are_no_people_and_an_ended_stream_has_nobody_in_view() -> None:
    board = RecentPeople(NAMES)
    board.write(record(1).to_json("update"))
    board.watch("door", [record(1)])
    board.watch("yard", [record(2, "yard")])
    board.write({"type": "summary", "stream": "door"})
    assert [person["stream"] for person in board.people()] == ["yard"]
    assert board.counts()["people_in_view"] == 1
    board.write({"type": "summary", "stream": "never seen"})


def test_the_oldest_who_left_is_forgotten_first_and_stays_counted() -> None:
    board = RecentPeople(NAMES, telling={"backpack"}, most=3)
    board.watch("yard", [record(100, "yard")])
    known = board.changes().at
    for number in range(5):
        board.write(record(number, "door", "yes", "unknown").to_json())
    assert [person["track"] for person in board.people()] == [4, 3, 100]
    assert board.person(record(0).id) is None
    counts = board.counts()
    assert counts["people_since_start"] == counts["people_today"] == 5
    assert counts["attributes"][:2] == [
        {"name": "hat", "yes": 5, "no": 0, "unknown": 0, "tells": False},
        {"name": "backpack", "yes": 0, "no": 0, "unknown": 5, "tells": True},
    ]
    since = board.changes(known)
    assert _told(since) == [(3, False), (4, False)]
    board.watch("yard", [record(number, "yard") for number in range(200, 210)])
    assert len(board.people()) == 3, "also where all are in view"


def test_who_was_away_for_too_long_is_told_everything_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RecentPeople, "most_gone", 4)
    board = RecentPeople(NAMES, most=2)
    start = board.changes().at
    for number in range(5):
        board.write(record(number).to_json())
    assert not board.changes(start).whole
    for number in range(5, 20):
        board.write(record(number).to_json())
    assert board.changes(start).whole
    assert board.changes(10**9).whole, "of another run"
    assert board.changes(-1).whole


def test_people_are_forgotten_after_their_days(monkeypatch: pytest.MonkeyPatch) -> None:
    board = RecentPeople(NAMES, keep_days=2)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    board.write(record(1).to_json())
    known = board.changes().at
    monkeypatch.setattr(time, "time", lambda: now + 1.9 * 86400)
    board.write(record(2).to_json())
    assert len(board.people()) == 2
    monkeypatch.setattr(time, "time", lambda: now + 2.1 * 86400)
    assert list(board.changes(known).gone) == [record(1).id]
    assert [person["track"] for person in board.people()] == [2]


def test_today_begins_at_midnight() -> None:
    counts, now = PeopleCounts(), time.time()
    for days, today in ((0, 1), (1, 1), (1, 2)):
        counts.add(record(1).to_json(), now + days * 86400)
        told = counts.to_json(now + days * 86400)
        assert told["people_today"] == today
    told = counts.to_json(now + 3 * 86400)
    assert (told["people_since_start"], told["people_today"]) == (3, 0)


def test_what_json_cannot_say_is_an_error_and_changes_nothing() -> None:
    board = RecentPeople()
    with pytest.raises(OutputError, match="as JSON"):
        board.write({**record(1).to_json(), "box": [float("nan")]})
    assert board.people() == []
    assert board.counts()["people_since_start"] == 0


def test_many_threads_write_while_others_ask() -> None:
    board, stop = RecentPeople(NAMES, most=50), threading.Event()

    def write(stream: int) -> None:
        for number in range(150):
            board.watch(str(stream), [record(stream * 1000 + number, str(stream))])
            board.write(record(stream * 1000 + number, str(stream)).to_json())

    def ask() -> set[str]:
        known: dict[str, Any] = {}
        at = None
        while not stop.is_set():
            at = _apply(known, board.changes(at)).at
        _apply(known, board.changes(at))
        return set(known)

    with ThreadPoolExecutor(5) as pool:
        asker = pool.submit(ask)
        list(pool.map(write, range(4)))
        stop.set()
        assert asker.result() == {person["id"] for person in board.people()}
    assert len(board.people()) == 50
    assert board.counts()["people_since_start"] == 600


def _apply(known: dict[str, Any], changes: PeopleChanges) -> PeopleChanges:
    if changes.whole:
        known.clear()
    for name in changes.gone:
        known.pop(name, None)
    known.update({json.loads(text)["id"]: text for text in changes.people})
    return changes


@pytest.mark.parametrize(
    ("query", "tracks"),
    [
        ({}, [1, 2, 3]),
        ({"stream": "back_yard"}, [3]),
        ({"attribute": "hat"}, [1]),
        ({"attribute": "hat", "answer": "unknown"}, [2]),
        ({"attribute": "hat", "answer": "no"}, [3]),
        ({"attribute": "wings", "answer": "no"}, []),
        ({"text": "LONG hair"}, [3]),
        ({"text": "long_hair"}, [3]),
        ({"text": "back_yard"}, [3]),
        ({"text": "back yard"}, [3]),
        ({"text": "door"}, [1, 2]),
        ({"in_view": "true"}, [2]),
        ({"in_view": "false", "stream": "door"}, [1]),
    ],
)
def test_questions_about_people(query: dict[str, str], tracks: list[int]) -> None:
    people = [
        record(1, "door", "yes").to_json() | {"in_view": False},
        record(2, "door", "unknown").to_json() | {"in_view": True},
        record(3, "back_yard", "no", "no", "yes").to_json() | {"in_view": False},
    ]
    wanted = PeopleFilter.from_query(query)
    assert [person["track"] for person in people if wanted.matches(person)] == tracks


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"colour": "red"}, "unknown key 'colour'; expected stream, attribute"),
        ({"limit": "0"}, "limit is '0'"),
        ({"limit": "²"}, "limit is"),
        ({"limit": "9" * 5000}, "limit is '9{20}'"),
        ({"limit": "0000000019999999"}, "expected 1 to 10000"),
        ({"answer": "yes"}, "goes with attribute"),
        ({"attribute": "hat", "answer": "maybe"}, "yes, no or unknown"),
        ({"in_view": "1"}, "expected true or false"),
    ],
)
def test_questions_that_make_no_sense(query: dict[str, str], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        PeopleFilter.from_query(query)
