"""When a rule raises an alert: how long it must hold, how often, never of the unknown."""

import dataclasses

from edgeattr.core.prediction import AttributeAnswer, TrackRecord
from edgeattr.video.alerts import Alert, AlertMonitor, AlertRule, PersonNow

_IN = frozenset({"dock"})
_RULE = AlertRule(
    name="loading",
    holds=lambda person: "dock" in person.inside,
    why=lambda person: ("in zone dock",),
    zones=("hall", "dock"),
)


def _person(inside: frozenset[str] = _IN, time: float | None = None) -> PersonNow:
    return PersonNow(
        stream="cam", seen_s=0.0, time=time, answers={}, inside=inside, dwell_s={}, crossed={}
    )


def _record(track: int) -> TrackRecord:
    return TrackRecord(
        stream="cam", track=track, first_s=0.0, last_s=1.0, frames=9, crops_classified=3,
        box=(1.04, 2.0, 3.0, 4.0), attributes={"hat": AttributeAnswer(0.9, "yes")},
        labels=("hat",), id=f"record {track}",
    )  # fmt: skip


def _play(rule: AlertRule, steps: list[tuple[float, dict[int, PersonNow]]]) -> list[Alert]:
    monitor = AlertMonitor("cam", [rule])
    alerts = [it for seconds, people in steps for it in monitor.update(seconds, people, _record)]
    assert monitor.raised == {rule.name: len(alerts)}
    return alerts


def _times(rule: AlertRule, *held: tuple[float, float], rate: float = 10) -> list[float]:
    """When alerts are raised for somebody who is in the picture for a minute."""
    steps = [
        (seconds, {1: _person(_IN if any(a <= seconds <= b for a, b in held) else frozenset())})
        for seconds in (frame / rate for frame in range(int(60 * rate)))
    ]
    return [alert.seconds for alert in _play(rule, steps)]


def test_an_alert_as_an_event() -> None:
    (alert,) = _play(_RULE, [(2.5, {7: _person(time=1_000_000.0)})])
    event = alert.to_json("crops/7.jpg")
    assert event.pop("id")
    assert event == {
        "type": "alert", "time": "1970-01-12T13:46:40.000Z", "zone": "dock", "crop": "crops/7.jpg",
        "stream": "cam", "alert": "loading", "track": 7, "person": "record 7", "at_s": 2.5,
        "box": [1.0, 2.0, 3.0, 4.0], "labels": ["hat"], "why": ["in zone dock"],
    }  # fmt: skip


def test_it_must_hold_without_a_break_for_as_long_as_the_rule_asks() -> None:
    rule = dataclasses.replace(_RULE, for_s=3.0)
    for rate in (5, 25, 60):
        (raised,) = _times(rule, (1.0, 3.8), (10.0, 14.0), rate=rate)
        assert abs(raised - 13.0) <= 1 / rate


def test_a_person_who_stays_raises_one_alert_and_another_after_being_away() -> None:
    assert _times(_RULE, (1.0, 20.0), (22.0, 30.0), (40.0, 50.0)) == [1.0, 40.0]


def test_an_alert_stands_until_its_rule_is_armed_again() -> None:
    monitor, stands = AlertMonitor("cam", [_RULE]), []
    for second in range(12):
        inside = _IN if second < 3 else frozenset[str]()
        monitor.update(second, {1: _person(inside), 2: _person(frozenset())}, _record)
        stands.append(monitor.current())
    assert stands == [{1: ["loading"]}] * 8 + [{}] * 4


def test_what_flickers_raises_one_alert() -> None:
    assert _times(_RULE, *((n, n + 0.3) for n in range(1, 30))) == [1.0]


def test_a_cooldown_puts_off_the_alert_of_who_stays_and_drops_that_of_who_goes() -> None:
    rule = dataclasses.replace(_RULE, cooldown_s=10.0)
    steps = [
        (float(second), {1: _person()}
        | ({2: _person()} if 2 <= second < 6 else {})
        | ({3: _person()} if 4 <= second < 30 else {}))
        for second in range(40)
    ]  # fmt: skip
    assert [(it.person.track, it.seconds) for it in _play(rule, steps)] == [(1, 0.0), (3, 10.0)]


def test_who_is_out_of_sight_for_a_moment_goes_on_and_for_long_begins_anew() -> None:
    rule = dataclasses.replace(_RULE, for_s=3.0)

    def raised(gap: tuple[float, float]) -> list[float]:
        frames = [frame / 10 for frame in range(100)]
        return [
            it.seconds
            for it in _play(
                rule, [(at, {} if gap[0] < at < gap[1] else {1: _person()}) for at in frames]
            )
        ]

    assert raised((1.0, 1.8)) == [3.0]
    assert raised((1.0, 2.5)) == [5.5]


def test_the_unknown_raises_nothing_and_a_rule_counts_in_its_stream() -> None:
    unknown = dataclasses.replace(_RULE, holds=lambda person: None)
    assert _play(unknown, [(0.0, {1: _person()})]) == []
    assert AlertMonitor("cam", [dataclasses.replace(_RULE, stream="other")]).rules == ()
    assert len(AlertMonitor("cam", [dataclasses.replace(_RULE, stream="cam")]).rules) == 1
