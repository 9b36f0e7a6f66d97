"""Fragments of one person's track joined: hidden for a moment, or missed by the detector.

A track that begins where somebody who is out of sight is expected to be, at about their size, is
that person. Where several could be meant, the nearest takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["FragmentJoiner"]

_KEEP_SECONDS = 4.0  # how long a person may be out of sight
_NEAR = 0.24  # of a person's height: how far from where they are expected they may reappear
_GROWS = 0.21  # of the height, more for each second out of sight
_MOVES_ON = 1.0  # seconds that somebody out of sight is expected to go on as before
_SIZES = 0.7  # the smaller height over the larger

_Box = tuple[float, float, float, float]


@dataclass
class _Person:
    box: _Box
    seconds: float  # when last seen


class FragmentJoiner:
    """Gives the tracks of one stream the numbers of people."""

    keep_seconds = _KEEP_SECONDS

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}  # the tracker's number -> the person's
        self._people: dict[int, _Person] = {}  # who was seen lately, by number
        self._count = 0  # people so far

    def join(
        self,
        tracks: Mapping[int, _Box],
        seconds: float,
        velocity: Callable[[int], tuple[float, float]],
    ) -> dict[int, int]:
        """Number the people of a frame.

        Args:
            tracks: box by the tracker's number: left, top, right, bottom, pixels.
            seconds: of the frame.
            velocity: of a person by their number, right and down, pixels a second, as last seen.

        Returns:
            The person's number by the tracker's.
        """
        self._people = {
            number: person
            for number, person in self._people.items()
            if seconds - person.seconds <= _KEEP_SECONDS
        }
        seen = {self._numbers[track] for track in tracks if track in self._numbers}
        distances = sorted(
            (distance, track, number)
            for track, box in tracks.items()
            if track not in self._numbers
            for number, person in self._people.items()
            if number not in seen
            and (distance := _distance(box, person, seconds, velocity(number))) < 1
        )
        for _, track, number in distances:
            if track not in self._numbers and number not in seen:
                self._numbers[track] = number
                seen.add(number)
        for track, box in tracks.items():
            if track not in self._numbers:
                self._count += 1
                self._numbers[track] = self._count
            self._people[self._numbers[track]] = _Person(box, seconds)
        self._numbers = {
            track: number for track, number in self._numbers.items() if number in self._people
        }
        return {track: self._numbers[track] for track in tracks}

    def forget(self) -> None:
        """Nobody who was seen will come back; numbers go on."""
        self._numbers.clear()
        self._people.clear()


def _distance(box: _Box, person: _Person, seconds: float, velocity: tuple[float, float]) -> float:
    """How far a box is from where a person is expected, as a share of what is allowed."""
    gap = seconds - person.seconds
    height, before = box[3] - box[1], person.box[3] - person.box[1]
    if not gap > 0 or min(height, before) < _SIZES * max(height, before):
        return math.inf
    ahead = min(gap, _MOVES_ON)
    right = (box[0] + box[2] - person.box[0] - person.box[2]) / 2 - velocity[0] * ahead
    down = box[3] - person.box[3] - velocity[1] * ahead
    return math.hypot(right, down) / before / (_NEAR + _GROWS * gap)
