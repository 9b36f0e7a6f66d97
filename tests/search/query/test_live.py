"""A rule says of a person what a query finds of their record; the unknown counts for nothing."""

import random
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import QueryError
from edgeattr.core.prediction import AttributeAnswer
from edgeattr.search.query import Probability, parse_rule
from edgeattr.search.query.conditions import leaves
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.query.live import live_test, met_conditions
from edgeattr.search.store import PeopleReader, PeopleStore, SearchRequest
from edgeattr.video.alerts import PersonNow

from ..store.person_events import person
from .random_queries import random_query

_NAMES = ("backpack", "hat", "long_hair")
_STREAMS = ("door", "Dock")
_KNOWN = KnownNames(
    attributes=(*_NAMES, "red_upper_body"), streams=_STREAMS, zones=("hall", "a b"), lines=("gate",)
)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock is in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _now(record: dict[str, Any]) -> PersonNow:
    zones = record.get("zones", {})
    return PersonNow(
        stream=record["stream"],
        seen_s=record["last_s"] - record["first_s"],
        time=datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp(),
        answers={
            name: AttributeAnswer(value["p"], value["answer"])
            for name, value in record["attributes"].items()
        },
        inside=frozenset(zones),
        dwell_s=zones,
        crossed=record.get("lines", {}),
    )


def _people(count: int) -> list[dict[str, Any]]:
    chance = random.Random(3)
    people = []
    for number in range(count):
        answers = {name: chance.choice(("yes", "no", "unknown", "no")) for name in _NAMES}
        places: dict[str, Any] = {}
        if chance.random() < 0.5:
            places["zones"] = {"hall": chance.choice((1.0, 8.0))}
        if chance.random() < 0.5:
            places["lines"] = {"gate": {"in": chance.randrange(2), "out": 1}}
        people.append(person(
            number,
            stream=chance.choice(_STREAMS),
            time=datetime.fromtimestamp(1_774_738_800 + 400 * number, timezone.utc).isoformat(),
            attributes={
                name: {"p": 0.9 if answer == "yes" else 0.1, "answer": answer}
                for name, answer in answers.items()
            },
            last_s=1.5 + chance.choice((0, 1.5, 8, 30)),
            **places,
        ))  # fmt: skip
    return people


def _told(texts: Sequence[str], record: dict[str, Any]) -> list[bool | None]:
    return [live_test(parse_rule(text), _KNOWN)(_now(record)) for text in texts]


def test_a_rule_holds_for_those_whom_find_finds(tmp_path: Path) -> None:
    people = _people(300)
    with PeopleStore(tmp_path / "people.sqlite") as store:
        store.add_many(people)
    chance, hits = random.Random(4), 0
    with PeopleReader(tmp_path / "people.sqlite") as reader:
        for _ in range(120):
            query = random_query(chance, _NAMES, _STREAMS, places=("hall", "gate"))
            unsure = [leaf for leaf in leaves(query) if isinstance(leaf, Probability)]
            if unsure or "is " in str(query):
                continue  # of the unknown a rule says nothing, where find does
            test = live_test(query, _KNOWN)
            held = {record["id"] for record in people if test(_now(record))}
            found = reader.search(SearchRequest(query=query, limit=None)).records
            assert {record["id"] for record in found} == held, query
            hits += 0 < len(held) < len(people)
    assert hits > 30, "most of these tell people apart"


def test_the_unknown_holds_nothing_and_fails_nothing() -> None:
    record = person(attributes={"hat": {"p": 0.7, "answer": "unknown"}})
    texts = ("hat", "not hat", "hat > 0.5", "hat is yes", "hat is not yes", "backpack", "hat < 0.9")
    assert _told(texts, record) == [None] * len(texts)
    assert _told(("hat or in zone hall", "hat and in zone hall"), record) == [None, False]
    assert _told(("dwell in zone hall < 3 s",), record) == [None], "was never in it"


def test_a_colour_and_the_conditions_that_hold() -> None:
    red = _now(person(zones={"hall": 3.0}, attributes={
        "upper_body_red": {"p": 0.9, "answer": "yes"}, "hat": {"p": 0.1, "answer": "no"},
    }))  # fmt: skip
    rule = parse_rule("red upper_body and not hat and (backpack or in zone hall)")
    colours = {"red_upper_body": "upper_body_red"}
    assert live_test(rule, _KNOWN, colours=colours)(red)
    why = met_conditions(rule, _KNOWN, colours=colours)(red)
    assert why == ("red_upper_body", "not hat", "in zone hall")


def test_times_of_day_are_of_any_day_and_files_have_none() -> None:
    late = person(time="2026-05-01T22:30:00.000Z")
    assert _told(
        ("after 22:00", "before 22:00", "between 22:00 and 6:00", "hat after 22:00"), late
    ) == [True, False, True, False]
    for text, said in (
        ("hat between 22:00 and 6:00", "hat and between 22:00 and 06:00"),
        ("not hat between 22:00 and 6:00", "not hat and between 22:00 and 06:00"),
        ("in zone hall between 1:00 and 2:00", "in zone hall and between 01:00 and 02:00"),
    ):
        assert str(parse_rule(text)) == said
    nowhen = PersonNow(
        stream="door", seen_s=1, time=None, answers={}, inside=frozenset(), dwell_s={}, crossed={}
    )
    assert live_test(parse_rule("after 22:00"), _KNOWN)(nowhen) is None


@pytest.mark.parametrize(
    ("text", "span", "says"),
    [
        ("hat and last 2h", (8, 12), "goes by the moment of reading; name a time of day"),
        ("hat and today", (8, 13), "goes by the moment"), ("since 2h ago", (9, 12), "goes by"),
        ("since yesterday 18:00", (6, 15), "goes by the moment"),
        ("before 00:00", (7, 12), "no part"),
        ("unknown(hat)", (8, 11), "name `yes` or `no`"),
        ("hat is unknown", (0, 3), "`yes` or `no`"),
        ("", (0, 0), "the rule is empty"), ("hat in zone", (7, 11), "not understood"),
        ("crossed", (7, 7), "expected the name of a zone or line"),
        ("dwell in zone hall", (18, 18), "expected a bound such as"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_at_its_place(
    text: str, span: tuple[int, int], says: str
) -> None:
    with pytest.raises(QueryError, match=says) as caught:
        parse_rule(text)
    assert caught.value.span == span


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hatt", "no attribute `hatt` in this store; did you mean `hat`"),
        ("in zone hal", 'no zone "hal" in this store; did you mean `hall`'),
        ("crossed hall", 'no line "hall"'), ("dwell in zone gate > 3s", 'no zone "gate"'),
        ("stream = dok", 'no stream "dok"'),
    ],
)  # fmt: skip
def test_what_there_is_not_is_refused(text: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        live_test(parse_rule(text), _KNOWN)


def test_names_of_places_are_read_in_any_case_and_quoted_where_needed() -> None:
    record = person(zones={"a b": 2.0}, lines={"gate": {"in": 1, "out": 0}})
    texts = ("in zone 'A B'", "crossed GATE", "crossed gate in", "crossed gate out")
    assert _told(texts, record) == [True, True, True, False]
    for text in ("in zone 'a b'", "crossed gate in", "dwell in zone 'a b' >= 1.5 s"):
        assert parse_rule(str(parse_rule(text))) == parse_rule(text)
