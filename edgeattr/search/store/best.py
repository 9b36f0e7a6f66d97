"""The best of many, and how many there were."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Best"]

_SLACK = 100_000  # people that are kept beyond those wanted before the worst are let go

_Columns = tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]


class Best:
    """Keeps the numbers of the best people: by a key, then by time, then by number.

    Args:
        limit: how many are wanted, at least 1; None for all.
    """

    def __init__(self, limit: int | None) -> None:
        self.total = 0  # may be raised by who wants none of them
        self._limit = limit
        self._kept: list[_Columns] = []
        self._held = 0

    def add(
        self,
        keys: npt.NDArray[Any],
        times: npt.NDArray[np.int64],
        persons: npt.NDArray[np.int64],
    ) -> None:
        """Take in more people.

        Args:
            keys: [N], the greatest are the best.
            times: [N].
            persons: [N].
        """
        self.total += len(persons)
        if not len(persons):
            return
        columns = _likely(keys, times, persons, self._limit)
        self._kept.append(columns)
        self._held += len(columns[0])
        if self._limit is not None and self._held > self._limit + _SLACK:
            self._keep_best()

    def persons(self) -> list[int]:
        """The best ones' numbers, the best first."""
        self._keep_best()
        found: list[int] = self._kept[0][2].tolist() if self._kept else []
        return found

    def _keep_best(self) -> None:
        if not self._kept:
            return
        keys, times, persons = (np.concatenate(column) for column in zip(*self._kept, strict=True))
        keys, times, persons = _likely(keys, times, persons, self._limit)
        order = np.lexsort((persons, times, keys))[::-1][: self._limit]
        self._kept = [(keys[order], times[order], persons[order])]
        self._held = len(order)


def _likely(
    keys: npt.NDArray[Any],
    times: npt.NDArray[np.int64],
    persons: npt.NDArray[np.int64],
    limit: int | None,
) -> _Columns:
    """Without those who cannot be among the best: cheaper than sorting all."""
    if limit is None or len(keys) <= 2 * limit:
        return keys, times, persons
    least = np.partition(keys, -limit)[-limit]
    places = np.flatnonzero(keys >= least)
    if len(places) > 2 * limit:  # many have the same key: the latest of these
        same = places[keys[places] == least]
        latest = np.partition(times[same], -limit)[-limit] if len(same) > limit else times.min()
        places = places[(keys[places] > least) | (times[places] >= latest)]
    return keys[places], times[places], persons[places]
