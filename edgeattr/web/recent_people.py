"""Who is in view and who was, for the page: a bounded memory that tells what has changed."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from edgeattr.core.prediction import TrackRecord
from edgeattr.core.timestamps import utc_text
from edgeattr.outputs.jsonl import encode_event

_DAY = 86400.0  # seconds
_OURS = ("type", "crop", "evidence")  # of events: folders of this machine are nobody's business
_ALERTS = 50  # that are remembered
_ALERTS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class PeopleChanges:
    """Who has changed since some moment."""

    at: int  # the moment that they lead up to
    whole: bool  # these are all people there are: whatever was known before is void
    people: Sequence[bytes]  # new or changed, as JSON, the latest last
    gone: Sequence[str]  # ids of people who are to be forgotten


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    """One person who was seen lately."""

    person: dict[str, Any]  # as the interface tells it
    text: bytes  # the same as JSON
    changed: int  # when, in changes of all
    told: float  # when, seconds since 1970


class RecentPeople:
    """An output that remembers the latest people, and forgets the oldest.

    Several threads may write and ask at once. Nothing waits for those who ask: each says up to
    where it knows them, and gets what is new.

    Args:
        attributes: names that will be answered, in the order in which they are shown.
        telling: those of them that tell people apart, which are shown first.
        most: people that are remembered.
        keep_days: after which people are forgotten; never where absent.
        pictures: whether a picture of each is kept somewhere.
        evidence: whether a sheet that explains each is kept somewhere.
    """

    name = "page"

    most_gone = 2000  # remembered removals; who was away for longer is told everything anew

    def __init__(
        self,
        attributes: Sequence[str] = (),
        *,
        telling: Set[str] = frozenset(),
        most: int = 500,
        keep_days: float | None = None,
        pictures: bool = False,
        evidence: bool = False,
    ) -> None:
        self.pictures, self.evidence = pictures, evidence
        self._most, self._keep = most, None if keep_days is None else keep_days * _DAY
        self._tally = PeopleCounts(attributes, telling)
        self._people: collections.OrderedDict[str, _Kept] = collections.OrderedDict()
        self._in_view: dict[str, set[str]] = {}  # ids, by stream
        self._gone: collections.deque[tuple[int, str]] = collections.deque()
        self._forgotten = 0  # the latest removal that is no longer remembered
        self._at = 0
        self._lock = threading.Lock()

    def write(self, event: Mapping[str, Any]) -> None:
        """Take one event: a person who has left, or the end of a stream; others pass.

        Raises:
            OutputError: it holds what JSON has no word for.
        """
        kind, stream = event.get("type"), event.get("stream", "")
        with self._lock:
            if kind == "person":
                now = time.time()
                self._in_view.get(stream, set()).discard(event["id"])
                self._put(event, now, in_view=False)
                self._tally.add(event, now)
                self._make_room(now)
            elif kind == "summary":
                for name in self._in_view.pop(stream, set()):
                    self._remove(name)

    def watch(self, stream: str, records: Sequence[TrackRecord]) -> None:
        """Take in who is in view of a stream now: all of them, as far as anything is known."""
        now, ids = time.time(), {record.id for record in records}
        with self._lock:
            for name in self._in_view.get(stream, set()) - ids:  # it was nobody after all
                self._remove(name)
            self._in_view[stream] = ids
            for record in records:
                self._put(record.to_json(), now, in_view=True)
            self._make_room(now)

    def changes(self, since: int | None = None) -> PeopleChanges:
        """What is new.

        Args:
            since: ``at`` of the changes that were asked for last; None for everything there is.
        """
        with self._lock:
            self._make_room(time.time())
            if since is None or not self._forgotten <= since <= self._at:
                people = [kept.text for kept in self._people.values()]
                return PeopleChanges(at=self._at, whole=True, people=people, gone=())
            new = []
            for kept in reversed(self._people.values()):
                if kept.changed <= since:
                    break
                new.append(kept.text)
            gone = [name for at, name in self._gone if at > since and name not in self._people]
            return PeopleChanges(at=self._at, whole=False, people=new[::-1], gone=gone)

    def people(self) -> list[dict[str, Any]]:
        """Everybody, the latest change first."""
        with self._lock:
            self._make_room(time.time())
            return [kept.person for kept in reversed(self._people.values())]

    def person(self, name: str) -> dict[str, Any] | None:
        """One person by their id; None where there is none."""
        with self._lock:
            self._make_room(time.time())
            kept = self._people.get(name)
            return kept.person if kept else None

    def counts(self) -> dict[str, Any]:
        """How many are in view and were seen, and what was answered about them."""
        with self._lock:
            self._make_room(time.time())
            seen = self._tally.to_json(time.time())
            return {"people_in_view": sum(map(len, self._in_view.values())), **seen}

    def close(self) -> None:
        """Nothing to do: nothing is kept."""

    def _put(self, event: Mapping[str, Any], now: float, *, in_view: bool) -> None:
        name = event["id"]
        before = self._people.get(name)
        person = shown_person(event, pictures=self.pictures, evidence=self.evidence)
        person |= {
            "in_view": in_view,
            "appeared": before.person["appeared"] if before else utc_text(now),
        }
        text = encode_event(person)
        self._at += 1
        self._people[name] = _Kept(person=person, text=text, changed=self._at, told=now)
        self._people.move_to_end(name)

    def _make_room(self, now: float) -> None:
        """Forget those who left the longest ago, beyond the number and the days."""
        while len(self._people) > self._most:
            left = (name for name, kept in self._people.items() if not kept.person["in_view"])
            self._remove(next(left, next(iter(self._people))))
        while self._keep is not None and self._people:
            name, oldest = next(iter(self._people.items()))
            if oldest.told >= now - self._keep:
                break
            self._remove(name)

    def _remove(self, name: str) -> None:
        if self._people.pop(name, None) is None:
            return
        self._at += 1
        self._gone.append((self._at, name))
        if len(self._gone) > self.most_gone:
            self._forgotten, _ = self._gone.popleft()


def shown_person(event: Mapping[str, Any], *, pictures: bool, evidence: bool) -> dict[str, Any]:
    """A person's record as the page shows it: with addresses of pictures in place of files.

    Args:
        event: the record.
        pictures: whether crops are served.
        evidence: whether sheets that explain answers are served.
    """
    name = event["id"]
    return {
        **{key: value for key, value in event.items() if key not in _OURS},
        "in_view": False,
        "appeared": None,
        "picture": f"crops/{name}.jpg" if pictures and event.get("crop") else None,
        "evidence": f"evidence/{name}.html" if evidence and event.get("evidence") else None,
    }


class PeopleCounts:
    """Counts people who have left the picture. Not for several threads at once.

    Args:
        attributes: names, in the order in which they are told.
        telling: those of them that tell people apart.
    """

    def __init__(self, attributes: Sequence[str] = (), telling: Set[str] = frozenset()) -> None:
        self._telling = telling
        self._people = self._today = 0
        self._day = _day(time.time())
        self._answers = {name: {"yes": 0, "no": 0, "unknown": 0} for name in attributes}

    def add(self, person: Mapping[str, Any], now: float) -> None:
        """Count one person.

        Args:
            person: their record.
            now: seconds since 1970.
        """
        self._turn(now)
        self._people += 1
        self._today += 1
        for name, value in person["attributes"].items():
            counts = self._answers.setdefault(name, {"yes": 0, "no": 0, "unknown": 0})
            counts[value["answer"]] += 1

    def to_json(self, now: float) -> dict[str, Any]:
        """``{"people_since_start", "people_today", "attributes": [{"name", "yes", ...}]}``."""
        self._turn(now)
        return {
            "people_since_start": self._people,
            "people_today": self._today,
            "attributes": [
                {"name": name, **counts, "tells": name in self._telling}
                for name, counts in self._answers.items()
            ],
        }

    def _turn(self, now: float) -> None:
        """Begin anew at midnight, local time."""
        if (day := _day(now)) != self._day:
            self._day, self._today = day, 0


def _day(seconds: float) -> tuple[int, int]:
    """Year and day of the year, local time."""
    local = time.localtime(seconds)
    return local.tm_year, local.tm_yday


class SiteEvents:
    """An output that remembers the latest alerts and counts. It promises nothing."""

    name = "page events"

    def __init__(self) -> None:
        self._alerts: collections.deque[dict[str, Any]] = collections.deque(maxlen=_ALERTS)
        self._zones: dict[tuple[str, str], dict[str, Any]] = {}  # by stream and name
        self._lines: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.Lock()

    def write(self, event: Mapping[str, Any]) -> None:
        """Take one event; those that are no alert, zone or line pass."""
        kind, stream = event.get("type"), event.get("stream", "")
        with self._lock:
            if kind == "alert":
                self._alerts.appendleft(_shown_alert(event))
            elif kind == "zone":
                zone = self._zones.setdefault(
                    (stream, event["zone"]),
                    {"stream": stream, "zone": event["zone"], "inside": 0, "entered": 0},
                )
                zone["inside"] = event["occupancy"]
                zone["entered"] += event["event"] == "entered"
            elif kind == "line":
                line = self._lines.setdefault(
                    (stream, event["line"]),
                    {"stream": stream, "line": event["line"], "in": 0, "out": 0},
                )
                line[event["direction"]] = event["count"]

    def to_json(self) -> dict[str, Any]:
        """``{"alerts", "zones", "lines"}``: the latest alerts first, and the counts so far."""
        with self._lock:
            return {
                "alerts": list(self._alerts)[:_ALERTS_SHOWN],
                "zones": [dict(zone) for zone in self._zones.values()],
                "lines": [dict(line) for line in self._lines.values()],
            }


def _shown_alert(event: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in event.items() if key not in _OURS}
    return {**shown, "told": utc_text(time.time())}
