"""Single conditions on a block of people: of whom they hold, and of whom they fail."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeattr.search.query.conditions import Answered, Chance, Daily, Duration, Has, Period
from edgeattr.search.store.blocks import ABSENT, ANSWER_SHIFT, LONGEST_MS, NO_TIME, Block
from edgeattr.search.store.tables import ANSWERS, P_SCALE

__all__ = ["AnswerTest", "DailyTest", "DurationTest", "Mask", "PeriodTest", "StreamTest", "Test"]

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]
_DAY_MS = 24 * 3600 * 1000
_ALL_BITS, _P_BITS = 0xFFFF, (1 << ANSWER_SHIFT) - 1
_NEVER = (P_SCALE + 1, 0)  # no probability has that value
_TINY = 1e-6  # of a ten-thousandth: 0.8 is 8000 of them, and not one more


class Test(Protocol):
    """A condition in the numbers of blocks."""

    def mask(self, block: Block, holds: bool) -> Mask:
        """[N], of whom it holds; or with ``holds`` false, of whom it fails."""

    def score(self, block: Block, holds: bool) -> Scores:
        """[N], how likely it holds, or fails, of those for whom it does; 0 for all others."""


@dataclass(frozen=True, kw_only=True)
class AnswerTest:
    """An answer's 16 bits, some of them, lie in a range that may go on at 0 after 65,535."""

    attribute: int | None  # None: nobody has it
    bits: int  # which of the 16 count
    holds: tuple[int, int]  # the least value, and how much more the greatest is
    fails: tuple[int, int]
    rising: bool | None = None  # whether it is more likely so the greater p is; None: not either

    @classmethod
    def of_has(cls, attribute: int | None, condition: Has, min_p: float) -> AnswerTest:
        """Answered yes, or no, at least so surely."""
        least = math.ceil(min_p * P_SCALE - _TINY)
        yes, no = ANSWERS.index("yes") << ANSWER_SHIFT, ANSWERS.index("no") << ANSWER_SHIFT
        return cls(
            attribute=attribute, bits=_ALL_BITS, rising=True,
            holds=(yes + least, P_SCALE - least), fails=(no, P_SCALE - least),
        )  # fmt: skip

    @classmethod
    def of_answered(cls, attribute: int | None, condition: Answered) -> AnswerTest:
        """That answer; where there is none, it counts as unknown."""
        least = ANSWERS.index(condition.answer) << ANSWER_SHIFT
        more = (ABSENT if condition.answer == "unknown" else least + _P_BITS) - least
        rising = {"yes": True, "no": False, "unknown": None}[condition.answer]
        others = (least + more + 1) & _ALL_BITS, _ALL_BITS - more - 1
        return cls(
            attribute=attribute, bits=_ALL_BITS, rising=rising, holds=(least, more), fails=others
        )

    @classmethod
    def of_chance(cls, attribute: int | None, condition: Chance) -> AnswerTest:
        """A bound of p."""
        exact = condition.p * P_SCALE
        from_bound, beyond = math.ceil(exact - _TINY), math.floor(exact + _TINY) + 1
        rising = condition.compare in (">", ">=")
        cut = from_bound if condition.compare in (">=", "<") else beyond  # the first one above
        above = (cut, P_SCALE - cut) if cut <= P_SCALE else _NEVER
        below = (0, cut - 1) if cut > 0 else _NEVER
        return cls(
            attribute=attribute, bits=_P_BITS, rising=rising,
            holds=above if rising else below, fails=below if rising else above,
        )  # fmt: skip

    def mask(self, block: Block, holds: bool) -> Mask:
        """See :class:`Test`."""
        least, more = self.holds if holds else self.fails
        column = self._column(block)
        if self.bits != _ALL_BITS:
            column = column & np.uint16(self.bits)
        return np.asarray((column - np.uint16(least)) <= np.uint16(more))

    def score(self, block: Block, holds: bool) -> Scores:
        """See :class:`Test`."""
        so = self.mask(block, holds)
        if self.rising is None:
            return so.astype(np.float32)
        p = np.minimum(self._column(block) & np.uint16(_P_BITS), P_SCALE).astype(np.float32)
        p /= P_SCALE
        return np.where(so, p if self.rising == holds else 1 - p, 0).astype(np.float32)

    def _column(self, block: Block) -> npt.NDArray[np.uint16]:
        column = None if self.attribute is None else block.answers.get(self.attribute)
        return np.full(len(block.persons), ABSENT, np.uint16) if column is None else column


class _Certain:
    """A condition without a probability."""

    def mask(self, block: Block, holds: bool) -> Mask:
        raise NotImplementedError

    def score(self, block: Block, holds: bool) -> Scores:
        """1 where it is so."""
        return self.mask(block, holds).astype(np.float32)


class StreamTest(_Certain):
    """Seen in one of these streams.

    Args:
        numbers: of the streams.
    """

    def __init__(self, numbers: Collection[int]) -> None:
        self._among = np.zeros(max(numbers, default=0) + 2, np.bool_)
        self._among[list(numbers)] = True

    def mask(self, block: Block, holds: bool) -> Mask:
        """See :class:`Test`."""
        last = len(self._among) - 1  # False, for all numbers that are greater
        found = self._among[np.minimum(block.streams, last)]
        return np.asarray(found if holds else ~found)


@dataclass(frozen=True)
class PeriodTest(_Certain):
    """Last seen within a period."""

    condition: Period

    def mask(self, block: Block, holds: bool) -> Mask:
        """See :class:`Test`."""
        times, since, until = block.times, self.condition.since, self.condition.until
        found = times != NO_TIME if since is None else times >= since
        if until is not None:
            found &= times < until
        return np.asarray(found if holds else ~found & (times != NO_TIME))


@dataclass(frozen=True)
class DurationTest(_Certain):
    """Seen for so long."""

    condition: Duration

    def mask(self, block: Block, holds: bool) -> Mask:
        """See :class:`Test`."""
        assert block.durations is not None
        compare, bound = self.condition.compare, min(self.condition.milliseconds, LONGEST_MS)
        cut = np.uint32(bound)
        greater = block.durations >= cut if compare in (">=", "<") else block.durations > cut
        return np.asarray(greater if (compare in (">", ">=")) == holds else ~greater)


@dataclass(frozen=True)
class DailyTest(_Certain):
    """Last seen at that time of day."""

    condition: Daily
    zone: tzinfo | None  # None is this machine's
    _days: dict[int, list[tuple[int, int]]] = field(default_factory=dict, repr=False)

    def mask(self, block: Block, holds: bool) -> Mask:
        """See :class:`Test`."""
        known = block.times != NO_TIME
        clock = block.times + self._offsets(block.times[known & (block.streams > 0)], block.times)
        clock %= _DAY_MS
        start, end = self.condition.start * 1000, self.condition.end * 1000
        found = clock >= start
        if start < end:
            found &= clock < end
        else:
            found |= clock < end
        return np.asarray((found if holds else ~found) & known)

    def _offsets(
        self, some: npt.NDArray[np.int64], times: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64] | np.int64:
        """What the wall clock is ahead of UTC, milliseconds, at each of ``times``."""
        if not some.size:
            return np.int64(0)
        low, high = int(some.min()) // _DAY_MS, int(some.max()) // _DAY_MS
        days = range(low, high + 1) if high - low < 1000 else np.unique(some // _DAY_MS).tolist()
        changes = [change for day in days for change in self._day(day)]
        if len({offset for _, offset in changes}) == 1:
            return np.int64(changes[0][1])
        moments, offsets = np.array(changes, np.int64).T
        places = np.searchsorted(moments, times, side="right") - 1
        return np.asarray(offsets[np.maximum(places, 0)])

    def _day(self, day: int) -> list[tuple[int, int]]:
        """The moments of a day, by UTC, from which on the wall clock is so far ahead."""
        if day not in self._days:
            begin, end = day * _DAY_MS, (day + 1) * _DAY_MS
            found = [(begin, self._offset(begin))]
            if self._offset(end) != found[0][1]:
                while end - begin > 1000:
                    middle = (begin + end) // 2
                    if self._offset(middle) == found[0][1]:
                        begin = middle
                    else:
                        end = middle
                found.append((end // 1000 * 1000, self._offset(end)))
            self._days[day] = found
        return self._days[day]

    def _offset(self, moment: int) -> int:
        try:
            wall = datetime.fromtimestamp(moment / 1000, timezone.utc).astimezone(self.zone)
        except (OverflowError, ValueError, OSError):  # at either end of the calendar
            return 0
        shift = wall.utcoffset()
        return round(shift.total_seconds() * 1000) if shift else 0
