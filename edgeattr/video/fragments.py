"""Fragments of one person's track joined: hidden for a while, or missed by the detector.

A track that begins where somebody who is out of sight is expected to be, at about their size and in
like colours, is that person. Where several could be meant, the nearest and most alike takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgeattr.video.boxes import AT_SIDE, Box
from edgeattr.video.clothing_colours import Colours

_KEEP_SECONDS = 4.0  # how long a person may be out of sight
_NEAR = 0.4  # of a person's height: how far from where they are expected they may reappear
_GROWS = 0.4  # of the height, more for each second out of sight
_MOVES_ON = 1.0  # seconds that somebody out of sight is expected to go on as before
_SIZES = 0.7  # the smaller height over the larger
_COLOURS = 0.5  # similarity of one person's colours before and after
_ALIKE = 2.0  # as much of the allowed distance is wholly like colours nearer


@dataclass(frozen=True, eq=False)
class Fragment:
    """A track in one frame."""

    box: Box
    colours: Colours | None  # of the track so far


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

    def forget(self) -> None:
        """Nobody who was seen will come back; numbers go on."""
        self._numbers.clear()
        self._people.clear()


def _left(person: _Person, right: float, width: float) -> bool:
    """Whether somebody who is out of sight was at a side of the picture and moved towards it."""
    box = person.seen.box
    return (right < 0 and box[0] <= AT_SIDE) or (right > 0 and box[2] >= width - AT_SIDE)


def _fit(
    fragment: Fragment, person: _Person, seconds: float, velocity: tuple[float, float]
) -> float:
    """How far a fragment is from being a person, less being likelier; infinite: it is not."""
    gap, box = seconds - person.seconds, person.seen.box
    right, down = (speed * min(gap, _MOVES_ON) for speed in velocity)
    height, before = fragment.box[3] - fragment.box[1], box[3] - box[1]
    if not gap > 0 or min(height, before) < _SIZES * max(height, before):
        return math.inf
    across = (fragment.box[0] + fragment.box[2] - box[0] - box[2]) / 2 - right
    distance = math.hypot(across, fragment.box[3] - box[3] - down)
    distance /= before * (_NEAR + _GROWS * gap)
    if fragment.colours is None or person.seen.colours is None:
        return distance if distance < 1 else math.inf
    alike = float(fragment.colours @ person.seen.colours)
    return distance - _ALIKE * alike if distance < 1 and alike >= _COLOURS else math.inf
