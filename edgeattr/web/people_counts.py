"""Counts of people, since the start and today, and of what was answered about them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence, Set
from typing import Any

__all__ = ["PeopleCounts"]


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
