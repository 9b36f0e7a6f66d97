"""Queries as people write them, and what is said of those that are none."""

import pickle
import random
import time
from datetime import datetime, timedelta, timezone

import pytest

from edgeattr.core.errors import QueryError, UsageError
from edgeattr.search.query import (
    And,
    Answered,
    Duration,
    Has,
    InStream,
    Not,
    Or,
    Period,
    Probability,
    StreamLike,
    TimeOfDay,
    WallClock,
    parse_query,
    parse_time,
)

from .random_queries import random_query

_CLOCK = WallClock(
    now=datetime(2026, 5, 6, 16, 30, tzinfo=timezone.utc), zone=timezone(timedelta(hours=2))
)
_HOUR, _DAY = 3_600_000, 86_400_000
_NOW = round(_CLOCK.now.timestamp() * 1000)
_TODAY = round(datetime(2026, 5, 5, 22, tzinfo=timezone.utc).timestamp() * 1000)


@pytest.mark.parametrize(("text", "meant"), [
    ("backpack and not hat and long hair", And((Has("backpack"), Not(Has("hat")),
                                                Has("long_hair")))),
    ("Long-Hair OR (hat AND T_Shirt)", Or((Has("long_hair"), And((Has("hat"), Has("t_shirt")))))),
    ("a and (b and c) or d", Or((And((Has("a"), Has("b"), Has("c"))), Has("d")))),
    ("not (a or b)", Not(Or((Has("a"), Has("b"))))),
    ("age 16 30", Has("age_16_30")),
    ("nothing", Has("nothing")), ("logo on shirt", Has("logo_on_shirt")),
    ("'not' and \"a \\\" b\"", And((Has("not"), Has('a " b')))),
    ("unknown(hat)", Answered("hat", "unknown")), ("hat is unknown", Answered("hat", "unknown")),
    ("hat = YES", Answered("hat", "yes")), ("hat is not yes", Not(Answered("hat", "yes"))),
    ("hat != no", Not(Answered("hat", "no"))),
    ("hat > 0.8", Probability("hat", ">", 0.8)), ("hat>=90%", Probability("hat", ">=", 0.9)),
    ("hat < .5", Probability("hat", "<", 0.5)), ("hat <= 7 %", Probability("hat", "<=", 0.07)),
    ("hat between 20% and 0.4",
     And((Probability("hat", ">=", 0.2), Probability("hat", "<=", 0.4)))),
    ('stream = "cam 1"', InStream("cam 1")), ("stream is rtsp://a/1", InStream("rtsp://a/1")),
    ("stream != door", Not(InStream("door"))), ("stream ~ ent*", StreamLike("ent*")),
    ("stream !~ '*x'", Not(StreamLike("*x"))), ("stream is not Not", Not(InStream("Not"))),
    ("stream in (a, 'b c')", Or((InStream("a"), InStream("b c")))),
    ("seen > 10s", Duration(">", 10_000)), ("seen <= 1h30min", Duration("<=", 5_400_000)),
    ("seen between 500ms and 1.5 min", And((Duration(">=", 500), Duration("<=", 90_000)))),
    ("last 2h", Period(_NOW - 2 * _HOUR, _NOW + 60_000)),
    ("last hour", Period(_NOW - _HOUR, _NOW + 60_000)),
    ("last 2 days 3 hours", Period(_NOW - 51 * _HOUR, _NOW + 60_000)),
    ("since 2h ago", Period(_NOW - 2 * _HOUR, None)),
    ("today", Period(_TODAY, _TODAY + _DAY)), ("yesterday", Period(_TODAY - _DAY, _TODAY)),
    ("on 2026-05-06", Period(_TODAY, _TODAY + _DAY)),
    ("since 2026-05-06", Period(_TODAY, None)), ("before 2026-05-06", Period(None, _TODAY)),
    ("after 2026-05-06", Period(_TODAY + _DAY, None)),
    ("until 2026-05-06", Period(None, _TODAY + _DAY)),
    ("since 14:00", Period(_TODAY + 14 * _HOUR, None)),
    ("since yesterday 14:00", Period(_TODAY - 10 * _HOUR, None)),
    ("since 2026-05-06 14:00", Period(_TODAY + 14 * _HOUR, None)),
    ("since 2026-05-06T14:00:00.25Z", Period(_TODAY + 16 * _HOUR + 250, None)),
    ("since 2026-05-06 14:00 -01:30", Period(_TODAY + 17 * _HOUR + _HOUR // 2, None)),
    ("between 2026-05-06 08:00 and 2026-05-06 09:00",
     Period(_TODAY + 8 * _HOUR, _TODAY + 9 * _HOUR)),
    ("between yesterday and today", Period(_TODAY - _DAY, _TODAY + _DAY)),
    ("between 22:00 and 6:30", TimeOfDay(22 * 3600, 6 * 3600 + 1800)),
    ("between 14:00:30 and 24:00", TimeOfDay(14 * 3600 + 30, 24 * 3600)),
    ("between 22:00 and 00:00", TimeOfDay(22 * 3600, 24 * 3600)),
    ("between 0:00 and 0:00", TimeOfDay(0, 24 * 3600)),
])  # fmt: skip
def test_what_is_written_is_what_is_meant(text: str, meant: object) -> None:
    assert parse_query(text, _CLOCK) == meant
    assert parse_query(str(meant), _CLOCK) == meant


def test_any_query_reads_the_same_when_it_was_written_out() -> None:
    chance = random.Random(3)
    names = ("hat", "not", "Straße", 'a "b" \\', "x\ny", "last", "unknown", "日本", "a-b", "")
    for _ in range(400):
        query = random_query(chance, names, ("door", 'a "b"', "c\\"))
        assert parse_query(str(query), _CLOCK) == query


@pytest.mark.parametrize(("text", "span", "said"), [
    ("hat and", (7, 7), "ends too early; expected an attribute, `not`"),
    ("hat or or jeans", (7, 9), "`or` is not understood here"),
    ("hat & jeans", (4, 5), "expected `and`, `or`, `is`"),
    ("hat is perhaps", (7, 14), "expected `yes`, `no` or `unknown`"),
    ("hat > 80", (6, 8), "80 is not a probability, expected 0 to 1; for percent write 80%"),
    ("hat between 0.5 and 0.2", (12, 23), "the lower bound comes first"),
    ("(hat", (4, 4), "expected `)`"), ("hat)", (3, 4), "expected the end"),
    ("hat stream = door", (4, 10), "expected `and`"),
    ("since noon", (6, 10), "expected a time such as"),
    ("since 2026-02-30", (6, 16), "there is no 2026-02-30"),
    ("between 14:00 and 2026-05-01", (8, 28), "two times of day, or two dates"),
    ("between 25:00 and 26:00", (8, 13), "25:00 is not a time of day"),
    ("between 2026-05-02 and 2026-05-01", (8, 33), "does not come after"),
    ("between 14:00 and 14:00", (8, 23), "no time lies between"),
    ("seen > 10", (9, 9), "a unit of time"), ("seen > 9999999w", (7, 15), "hundred years"),
    ("stream", (6, 6), "expected `=`, `!=`, `~`"), ("stream in (a b)", (13, 14), "`,` or `)`"),
    ("on 14:00", (3, 8), "a date such as"), ("'; DROP TABLE persons; --", (0, 1), "has no end"),
    ("hat\0", (3, 4), "\N{REPLACEMENT CHARACTER}"), ("since 0000-01-01", (6, 16), "there is no"),
])  # fmt: skip
def test_what_is_wrong_is_pointed_at(text: str, span: tuple[int, int], said: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text, _CLOCK)
    assert caught.value.span == span
    problem, shown, marks = str(caught.value).splitlines()
    assert said in problem
    assert len(shown) == len(text) + 2
    assert marks == "  " + " " * span[0] + "^" * max(1, span[1] - span[0])
    assert pickle.loads(pickle.dumps(caught.value)).span == span


def test_the_mark_stands_under_wide_signs_and_in_a_long_query() -> None:
    with pytest.raises(QueryError, match=r"\n  日本 \)\n {7}\^$"):
        parse_query("日本 )")
    with pytest.raises(QueryError) as caught:
        parse_query("hat or " * 2000 + "or hat" + " or hat" * 2000)
    _, shown, marks = str(caught.value).splitlines()
    assert len(shown) < 90
    assert shown[marks.index("^") :].startswith("or hat")


@pytest.mark.parametrize(("text", "said"), [
    ("", "is empty"), (" \n\t", "is empty"), ("not " * 10_000 + "hat", "more than 100 conditions"),
    ("a and (b or (" * 3000 + "c" + "))" * 3000, "more than 100 conditions"),
    ("(" * 20_000, "ends too early"), ("x" * 100_001, "at most 100,000 are read"),
    ('"' * 99_999, "not understood"), ("\0" * 1000, "not understood"),
    ("since " + "9" * 90_000, "a unit of time"), ("seen > " + "9" * 90_000 + "s", "hundred years"),
])  # fmt: skip
def test_hostile_queries_are_refused_in_a_moment(text: str, said: str) -> None:
    start = time.process_time()
    with pytest.raises(QueryError, match=said):
        parse_query(text)
    assert time.process_time() - start < 5


def test_ten_thousand_parentheses_are_no_harm() -> None:
    assert parse_query("(" * 10_000 + "hat" + ")" * 10_000) == Has("hat")


def test_conditions_that_make_no_sense_are_refused() -> None:
    for make in (
        lambda: Probability("hat", ">", 1.5), lambda: Probability("hat", "=", 0.5),
        lambda: Period(), lambda: Period(5, 5), lambda: Period(2**62),
        lambda: TimeOfDay(3, 3), lambda: TimeOfDay(0, 90_000),
        lambda: Duration(">", -1), lambda: And((Has("hat"),)), lambda: Or(()),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            make()


def test_a_time_by_itself_and_the_end_of_a_day() -> None:
    assert parse_time("2026-05-06", _CLOCK) == _TODAY
    assert parse_time("2026-05-06", _CLOCK, end=True) == _TODAY + _DAY
    assert parse_time("2h ago", _CLOCK) == _NOW - 2 * _HOUR
    with pytest.raises(QueryError, match="a time such as"):
        parse_time("hat")
