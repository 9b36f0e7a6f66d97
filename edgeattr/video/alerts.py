"""Alerts: rules asked of each person while they are in the picture.

A rule raises an alert for a person once it has held without a break for as long as it asks, and for
the same person again only after it has not held for a while.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from edgeattr.core.prediction import AttributeAnswer, TrackRecord
from edgeattr.core.timestamps import utc_text

_GAP_S = 1.0  # out of sight for longer, a rule begins anew
_FORGET_S = 60.0  # out of sight for longer, a person will not come back
_REARM_S = 5.0  # a rule that has not held for so long may raise an alert for the same person again


@dataclass(frozen=True, kw_only=True)
class PersonNow:
    """What is known of a person at one moment."""

    stream: str
    seen_s: float  # seconds since the person was first seen
    time: float | None  # seconds since the epoch; None: of a file, which has no time
    answers: Mapping[str, AttributeAnswer]
    inside: Set[str]  # zones that the person is in
    dwell_s: Mapping[str, float]  # seconds spent in each zone that the person was in
    crossed: Mapping[str, Mapping[str, int]]  # crossings "in" and "out", by line


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """When to raise an alert."""

    name: str
    holds: Callable[[PersonNow], bool | None]  # None: neither yes nor no, which raises nothing
    why: Callable[[PersonNow], tuple[str, ...]]  # the conditions that hold, in words
    zones: tuple[str, ...] = ()  # that it asks for
    stream: str | None = None  # of this one alone
    for_s: float = 0.0  # how long it must hold without a break
    cooldown_s: float = 0.0  # after an alert, how long there is none by this rule in the stream


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A rule has held for a person."""

    rule: str  # its name
    seconds: float  # of the stream
    time: float | None  # seconds since the epoch; of a live stream
    person: TrackRecord  # so far
    why: tuple[str, ...]  # the conditions that hold
    zone: str | None  # the first that the rule asks for and the person is in
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def to_json(self, crop: str | None = None) -> dict[str, Any]:
        """One line of the events file.

        Args:
            crop: the file of the person's best crop so far, where crops are kept.
        """
        extra = {
            "time": None if self.time is None else utc_text(self.time),
            "zone": self.zone,
            "crop": crop,
        }
        return {
            "type": "alert",
            "id": self.id,
            **{name: value for name, value in extra.items() if value is not None},
            "stream": self.person.stream,
            "alert": self.rule,
            "track": self.person.track,
            "person": self.person.id,  # the id of the record that follows
            "at_s": round(self.seconds, 3),
            "box": [round(value, 1) for value in self.person.box],
            "labels": list(self.person.labels),
            "why": list(self.why),
        }


@dataclass
class _Watch:
    """One rule and one person."""

    since: float | None = None  # when it began to hold, seconds
    held: float = 0.0  # when it was last seen to hold, seconds
    seen: float = 0.0  # when the person was last seen, seconds
    raised: bool = False  # whether an alert was raised and the rule is not armed again


class AlertMonitor:
    """Asks rules of the people of one stream.

    Args:
        stream: its name.
        rules: those of other streams are passed over.
    """

    def __init__(self, stream: str, rules: Sequence[AlertRule] = ()) -> None:
        self.rules = tuple(rule for rule in rules if rule.stream in (None, stream))
        self.raised: Counter[str] = Counter({rule.name: 0 for rule in self.rules})  # so far
        self._watches: dict[tuple[str, int], _Watch] = {}  # by rule and person
        self._latest: dict[str, float] = {}  # alert, seconds, by rule

    def update(
        self,
        seconds: float,
        people: Mapping[int, PersonNow],
        record_of: Callable[[int], TrackRecord],
    ) -> list[Alert]:
        """Ask of all who are in a frame.

        Args:
            seconds: of the frame.
            people: by their number.
            record_of: makes a person's record so far.

        Returns:
            The alerts that are raised by it.
        """
        alerts = []
        self._watches = {
            key: watch for key, watch in self._watches.items() if seconds - watch.seen <= _FORGET_S
        }
        for rule in self.rules:
            for track, person in people.items():
                watch = self._watches.setdefault((rule.name, track), _Watch())
                watch.seen = seconds
                if not self._due(rule, watch, person, seconds):
                    continue
                watch.raised = True
                self._latest[rule.name] = seconds
                self.raised[rule.name] += 1
                alerts.append(
                    Alert(
                        rule=rule.name,
                        seconds=seconds,
                        time=person.time,
                        person=record_of(track),
                        why=rule.why(person),
                        zone=next((zone for zone in rule.zones if zone in person.inside), None),
                    )
                )
        return alerts

    def current(self) -> dict[int, list[str]]:
        """Rules by which a person raised an alert, until they are armed again, by person."""
        raised: dict[int, list[str]] = {}
        for (rule, track), watch in self._watches.items():
            if watch.raised:
                raised.setdefault(track, []).append(rule)
        return raised

    def _due(self, rule: AlertRule, watch: _Watch, person: PersonNow, seconds: float) -> bool:
        """Whether a rule raises an alert for a person now."""
        if seconds - watch.held > _REARM_S:
            watch.raised = False
        if not rule.holds(person):
            watch.since = None
            return False
        if watch.since is None or seconds - watch.held > _GAP_S:
            watch.since = seconds
        watch.held = seconds
        latest = self._latest.get(rule.name)
        rests = latest is not None and seconds - latest < rule.cooldown_s
        return not watch.raised and not rests and seconds - watch.since >= rule.for_s - 1e-6
