"""Fragments of one person's track joined: hidden for a while, or missed by the detector.

A track that begins where somebody who is out of sight is expected to be, at about their size and in
like colours, is that person. So is one of half their height at their head, in the colours of their
upper half: a box may end at the hips. Where several could be meant, the nearest and most alike
takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeattr.video.boxes import AT_SIDE, Box
from edgeattr.video.clothing_colours import Colours, above_hips

_KEEP_SECONDS = 4.0  # how long a person may be out of sight
_NEAR = 0.4  # of a person's height: how far from where they are expected they may reappear
_GROWS = 0.4  # of the height, more for each second out of sight
_MOVES_ON = 1.0  # seconds that somebody out of sight is expected to go on as before
_SIZES = 0.7  # the smaller height over the larger
_HIPS = 0.45  # likewise, where one of both boxes ends at the hips
_HIPS_SECONDS = 1.0  # since the person was last seen, at most, there
_COLOURS = 0.5  # similarity of one person's colours before and after
_COLOURS_ABOVE = 0.65, 0.35  # and of those above the hips, as far off as is allowed, and not at all
_TWO_SECONDS = 0.4  # two tracks of one person at once are two people if it lasts that long
_ALIKE = 2.0  # as much of the allowed distance is wholly like colours nearer


@dataclass(frozen=True, eq=False)
class Fragment:
    """A track in one frame."""

    box: Box
    colours: Colours | None  # of the track so far
    began: float  # seconds
    before: Sequence[tuple[float, Box]] = ()  # of a new track: seconds and boxes until now


@dataclass(frozen=True, eq=False)
class _Person:
    seen: Fragment  # last
    seconds: float


class FragmentJoiner:
    """Gives the tracks of one stream the numbers of people."""

    keep_seconds = _KEEP_SECONDS

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}  # the track's number -> the person's
        self._people: dict[int, _Person] = {}  # who was seen lately, by number
        self._second: dict[int, float] = {}  # tracks beside another of their person, since when
        self._count = 0

    def join(
        self,
        tracks: Mapping[int, Fragment],
        seconds: float,
        velocity: Callable[[int], tuple[float, float]],
        width: float | None = None,
    ) -> dict[int, int]:
        """Number the people of a frame.

        Args:
            tracks: by number.
            seconds: of the frame.
            velocity: of a person by their number, right and down, pixels a second, as last seen.
            width: of the picture, pixels, whose sides people leave by; None: it has none.

        Returns:
            The person's number by the track's.
        """
        self._people = {
            number: person
            for number, person in self._people.items()
            if seconds - person.seconds <= _KEEP_SECONDS
        }
        self._numbers = {
            track: number for track, number in self._numbers.items() if number in self._people
        }
        self._part(tracks, seconds)
        new = [track for track in tracks if track not in self._numbers]
        seen = {self._numbers[track] for track in tracks if track in self._numbers}
        fits = sorted(
            (fit, track, number)
            for number, person in self._people.items()
            if new and number not in seen
            for speed in (velocity(number),)
            if width is None or not _left(person, speed[0], width)
            for track in new
            if (fit := _fit(tracks[track], person, seconds, speed)) < math.inf
        )
        for _, track, number in fits:
            if track not in self._numbers and number not in seen:
                self._numbers[track] = number
                seen.add(number)
        for track in new:
            if track not in self._numbers:
                self._count += 1
                self._numbers[track] = self._count
        for track, fragment in tracks.items():
            self._people[self._numbers[track]] = _Person(fragment, seconds)
        return {track: self._numbers[track] for track in tracks}

    def _part(self, tracks: Iterable[int], seconds: float) -> None:
        """Take the number from a track whose person another track has shown for some time."""
        second, holders = {}, set[int]()
        for track in sorted(tracks):
            number = self._numbers.get(track)
            if number in holders:
                second[track] = self._second.get(track, seconds)
                if seconds - second[track] >= _TWO_SECONDS:
                    del second[track], self._numbers[track]
            elif number is not None:
                holders.add(number)
        self._second = second

    def renumber(self, person: int, to: int | None) -> int:
        """Give the tracks of a person to somebody else.

        Args:
            person: their number.
            to: the number of that one; None: they are new.

        Returns:
            The number of that one.
        """
        if to is None:
            self._count += 1
            to = self._count
        self._numbers = {
            track: to if number == person else number for track, number in self._numbers.items()
        }
        if person in self._people:
            self._people[to] = self._people.pop(person)
        return to

    def forget(self) -> None:
        """Nobody who was seen will come back; numbers go on."""
        self._numbers.clear()
        self._people.clear()
        self._second.clear()


def _left(person: _Person, right: float, width: float) -> bool:
    """Whether somebody who is out of sight was at a side of the picture and moved towards it."""
    box = person.seen.box
    return (right < 0 and box[0] <= AT_SIDE) or (right > 0 and box[2] >= width - AT_SIDE)


def _fit(
    fragment: Fragment, person: _Person, seconds: float, velocity: tuple[float, float]
) -> float:
    """How far a fragment is from being a person, less being likelier; infinite: it is not."""
    later = ((when, box) for when, box in fragment.before if when > person.seconds)
    seconds, box = next(later, (seconds, fragment.box))  # where it was first since
    gap, last = seconds - person.seconds, person.seen.box
    right, down = (speed * min(gap, _MOVES_ON) for speed in velocity)
    height, before = box[3] - box[1], last[3] - last[1]
    share = min(height, before) / max(height, before)
    whole = share >= _SIZES
    since = gap <= _HIPS_SECONDS and fragment.began >= person.seconds
    if not gap > 0 or not (whole or (share >= _HIPS and since)):
        return math.inf
    end = 3 if whole else 1  # the feet, or the head where one box ends at the hips
    across = (box[0] + box[2] - last[0] - last[2]) / 2 - right
    distance = math.hypot(across, box[end] - last[end] - down)
    distance /= before * (_NEAR + _GROWS * gap)
    if distance >= 1:
        return math.inf
    one, other = fragment.colours, person.seen.colours
    if one is None or other is None:
        return distance if whole else math.inf
    if whole:
        alike, enough = float(one @ other), _COLOURS
    else:
        alike = above_hips(one, other) if height < before else above_hips(other, one)
        enough = float(np.interp(distance, (0, 1), _COLOURS_ABOVE[::-1]))
    return distance - _ALIKE * alike if alike >= enough else math.inf
