"""Fragments of one person's track joined: hidden for a moment, or missed by the detector.

A track that begins where somebody who is out of sight is expected to be, at about their size, is
that person, unless they look different. One that begins further off waits until its first crop has
been read, and is that person if they look the same. Where several could be meant, the nearest and
most alike takes it. A track whose crops begin to show somebody else is a new fragment from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeattr.video.appearance import Appearance, AppearanceLimits, Vector

__all__ = ["FragmentJoiner"]

_KEEP_SECONDS = 4.0  # how long a person may be out of sight
_NEAR = 0.24  # of a person's height: how far from where they are expected they may reappear
_GROWS = 0.21  # of the height, more for each second out of sight
_MOVES_ON = 1.0  # seconds that somebody out of sight is expected to go on as before
_SIZES = 0.7  # the smaller height over the larger
_ALIKE = 3.0  # times as far off may be who looks the same

_Box = tuple[float, float, float, float]


@dataclass
class _Person:
    box: _Box
    seconds: float  # when last seen
    began: float  # seconds
    appearance: Appearance | None = None


class FragmentJoiner:
    """Gives the tracks of one stream the numbers of people.

    Args:
        appearance: whether what people look like counts too; else movement alone decides.
        wait: seconds for a crop of a fragment to be read, before it is a new person.
    """

    keep_seconds = _KEEP_SECONDS

    def __init__(self, appearance: bool = False, wait: float = 0.3) -> None:
        self.renamed: dict[int, int] = {}
        """What the last call of :meth:`join` decided: a person's number by the fragment's; the same
        number twice of somebody who was out of sight."""
        self._by_appearance, self._wait = appearance, wait
        self._numbers: dict[int, int] = {}  # the tracker's number -> the person's
        self._people: dict[int, _Person] = {}  # who was seen lately, by number
        self._count = self._fragments = 0  # people, and fragments, so far

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
            The person's number by the tracker's; below 0 while that is left open.
        """
        self._people = {
            number: person
            for number, person in self._people.items()
            if seconds - person.seconds <= _KEEP_SECONDS
        }
        self._numbers = {
            track: number for track, number in self._numbers.items() if number in self._people
        }
        self.renamed = {}
        for track, box in tracks.items():
            self._see_box(track, box, seconds)
        fragments = [track for track in tracks if self._numbers[track] < 0]
        if fragments:
            away = self._out_of_sight({self._numbers[track] for track in tracks}, seconds, velocity)
            self._decide(fragments, away, seconds)
        return {track: self._numbers[track] for track in tracks}

    def see(self, number: int, vector: Vector, limits: AppearanceLimits) -> bool:
        """Take in what a crop looks like.

        Args:
            number: of the person or fragment, as :meth:`join` gave it.
            vector: of unit length.
            limits: for vectors of this kind.

        Returns:
            Whether it may be the person who was seen before under that number.
        """
        person = self._people.get(number)
        if person is None or not self._by_appearance:
            return True
        person.appearance = person.appearance or Appearance(limits)
        return person.appearance.add(vector)

    def forget(self) -> None:
        """Nobody who was seen will come back; numbers go on."""
        self._numbers.clear()
        self._people.clear()

    def _see_box(self, track: int, box: _Box, seconds: float) -> None:
        number = self._numbers.get(track)
        person = self._people[number] if number is not None else None
        other = person.appearance.somebody_else() if person and person.appearance else None
        if person is not None and other is None:
            if number is not None and seconds - person.seconds > self._wait:
                self._doubt(number, number)
            person.box, person.seconds = box, seconds
            return
        self._fragments += 1
        self._numbers[track] = -self._fragments
        self._people[-self._fragments] = _Person(box, seconds, seconds, other)

    def _out_of_sight(
        self, seen: set[int], seconds: float, velocity: Callable[[int], tuple[float, float]]
    ) -> dict[int, _Person]:
        """Those who may come back, where they are expected now, by number."""
        return {
            number: _Person(
                _moved(person.box, velocity(number), min(seconds - person.seconds, _MOVES_ON)),
                person.seconds,
                person.began,
                person.appearance,
            )
            for number, person in self._people.items()
            if number > 0 and number not in seen
        }

    def _decide(self, tracks: list[int], away: dict[int, _Person], seconds: float) -> None:
        """Number fragments: as somebody who was out of sight, as somebody new, or not yet."""
        fits = [
            (fit, track, number)
            for track in tracks
            for number, person in away.items()
            if (fit := self._fit(self._people[self._numbers[track]], person, seconds)) < math.inf
        ]
        for _, track, number in sorted(fits):
            if self._numbers[track] < 0 and number in away:
                del away[number]
                self._doubt(self._rename(track, number), number)
        for track in tracks:
            fragment = self._people.get(self._numbers[track])
            if self._numbers[track] > 0 or fragment is None:
                continue
            may_be = fragment.appearance is None and seconds - fragment.began < self._wait
            if not may_be or not any(
                person.appearance
                and person.appearance.is_known
                and _distance(fragment.box, person, seconds) < _ALIKE
                for person in away.values()
            ):
                self._count += 1
                self._rename(track, self._count)

    def _fit(self, fragment: _Person, person: _Person, seconds: float) -> float:
        """How far a fragment is from being a person, less being likelier; infinite: it is not."""
        distance = _distance(fragment.box, person, seconds)
        if fragment.appearance is None or person.appearance is None:
            return distance if distance < 1 else math.inf
        alike, limits = fragment.appearance.cosine(person.appearance), person.appearance.limits
        least = limits.different if distance < 1 else limits.same
        if distance >= _ALIKE or alike < least:
            return math.inf
        return distance - alike

    def _doubt(self, before: int, number: int) -> None:
        """Have somebody who was out of sight looked at anew."""
        self.renamed[before] = number
        if appearance := self._people[number].appearance:
            appearance.expect_doubt()

    def _rename(self, track: int, number: int) -> int:
        """Give a fragment a person's number; its own before."""
        before = self._numbers[track]
        fragment = self._people.pop(before)
        person = self._people.get(number)
        if person and person.appearance:
            fragment.appearance = person.appearance
        self.renamed[before] = number
        self._numbers[track], self._people[number] = number, fragment
        return before


def _moved(box: _Box, velocity: tuple[float, float], seconds: float) -> _Box:
    right, down = velocity[0] * seconds, velocity[1] * seconds
    return box[0] + right, box[1] + down, box[2] + right, box[3] + down


def _distance(box: _Box, person: _Person, seconds: float) -> float:
    """How far a box is from a person's, as a share of what is allowed."""
    gap = seconds - person.seconds
    height, before = box[3] - box[1], person.box[3] - person.box[1]
    if not gap > 0 or min(height, before) < _SIZES * max(height, before):
        return math.inf
    right = (box[0] + box[2] - person.box[0] - person.box[2]) / 2
    down = box[3] - person.box[3]
    return math.hypot(right, down) / before / (_NEAR + _GROWS * gap)
