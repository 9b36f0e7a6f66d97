"""Times as people say them, by the clock on their wall."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from edgeattr.search.query.conditions import DAY_S, EARLIEST, LATEST

UNITS = {
    "ms": 1, "milliseconds?": 1, "s": 1000, "secs?": 1000, "seconds?": 1000,
    "m": 60_000, "mins?": 60_000, "minutes?": 60_000,
    "h": 3_600_000, "hrs?": 3_600_000, "hours?": 3_600_000,
    "d": 86_400_000, "days?": 86_400_000, "w": 604_800_000, "weeks?": 604_800_000,
}  # fmt: skip
"""Milliseconds of each unit, by a regular expression of its names."""

_YEAR_1900, _YEAR_2100 = -2_208_988_800_000, 4_102_444_800_000  # milliseconds since 1970
_LONGEST = 100 * 366 * 86_400_000  # milliseconds: a hundred years
_STAMP = re.compile(r"(\d+)-(\d+)-(\d+)(?:[T\s]\s*([\d:.]+)\s*(Z|[+-]\d\d:?\d\d)?)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class WallClock:
    """Where and when a query is asked."""

    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))  # with a zone
    zone: tzinfo | None = None  # of times that name none; None is this machine's

    def local(self, moment: int) -> datetime:
        """Milliseconds since 1970 as the wall clock shows them."""
        return datetime.fromtimestamp(moment / 1000, timezone.utc).astimezone(self.zone)

    def offsets(self, first: int, last: int) -> list[tuple[int, int]]:
        """What the wall clock is ahead of UTC, in milliseconds, and from when on.

        Args:
            first: milliseconds since 1970.
            last: likewise, not before ``first``.

        Returns:
            ``(from when, offset)``, in that order; before the first one its offset holds too.
            Changes before 1900 and after 2100 are left out.
        """
        begin, end = max(first, _YEAR_1900), min(last, _YEAR_2100)
        found = [(begin, self._offset(begin))]
        for day in range(begin, end, DAY_S * 1000):
            low, high, before = day, min(day + DAY_S * 1000, end), found[-1][1]
            if self._offset(high) == before:
                continue
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self._offset(middle) == before else (low, middle)
            found.append((high, self._offset(high)))
        return found

    def _offset(self, moment: int) -> int:
        shift = self.local(moment).utcoffset()
        assert shift is not None
        return round(shift / timedelta(milliseconds=1))

    def day(self, back: int = 0) -> date:
        """Today, or so many days before."""
        return self.now.astimezone(self.zone).date() - timedelta(days=back)

    def at(self, day: date, second: int = 0) -> int:
        """Milliseconds since 1970 when the wall clock has shown that, the first time.

        Args:
            day: the date.
            second: since midnight, up to 86,400.
        """
        if second >= DAY_S:
            day, second = day + timedelta(days=1), second - DAY_S
        wall = datetime.combine(day, time(second // 3600, second // 60 % 60, second % 60))
        return self._since_1970(wall)

    def ago(self, milliseconds: int) -> int:
        """Milliseconds since 1970, so long before now; after now if negative."""
        return min(max(round(self.now.timestamp() * 1000) - milliseconds, EARLIEST), LATEST)

    def stamp(self, text: str) -> tuple[int, int | None]:
        """A date, with or without a time, which may name a zone.

        Returns:
            Milliseconds since 1970; and of the day's end where no time is given.

        Raises:
            ValueError: there is no such day or time.
        """
        found = _STAMP.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no time")
        year, month, number, clock, zone = found.groups()
        day = date(int(year), int(month), int(number))
        if clock is None:
            return self.at(day), self.at(day, DAY_S) if day < date.max else LATEST
        wall = datetime.combine(day, _time(clock))
        if zone:
            shift = "+0000" if zone in "Zz" else zone.replace(":", "")
            wall = wall.replace(tzinfo=datetime.strptime(shift, "%z").tzinfo)
        return self._since_1970(wall), None

    def _since_1970(self, wall: datetime) -> int:
        if wall.tzinfo is None:
            wall = wall.replace(tzinfo=self.zone) if self.zone else wall.astimezone()
        whole = wall - datetime(1970, 1, 1, tzinfo=timezone.utc)
        return min(max(round(whole / timedelta(milliseconds=1)), EARLIEST), LATEST)


def seconds_of_day(clock: str) -> int:
    """Of ``14:00`` or ``14:00:30``, up to ``24:00``.

    Raises:
        ValueError: the clock never shows that.
    """
    hour, minute, second = (*map(int, clock.split(":")), 0)[:3]
    found = hour * 3600 + minute * 60 + second
    if minute > 59 or second > 59 or found > DAY_S:
        raise ValueError(f"{clock} is not a time of day; expected 00:00 to 24:00")
    return found


def duration_ms(pairs: list[tuple[str, str]]) -> int:
    """Milliseconds of numbers and units, such as ``("2", "h"), ("30", "min")``.

    Raises:
        ValueError: more than a hundred years.
    """
    whole = 0.0
    for number, unit in pairs:
        scale = next(ms for names, ms in UNITS.items() if re.fullmatch(names, unit, re.IGNORECASE))
        whole += float(number) * scale
    if not whole <= _LONGEST:
        raise ValueError("that is longer than a hundred years")
    return round(whole)


def _time(clock: str) -> time:
    """Of ``14:00``, ``14:00:30`` or ``14:00:30.250``."""
    whole, _, fraction = clock.partition(".")
    hour, minute, second = (*map(int, whole.split(":")), 0)[:3]
    return time(hour, minute, second, int(f"{fraction:0<6.6}") if fraction else 0)
