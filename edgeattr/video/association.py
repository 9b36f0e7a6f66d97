"""Boxes of a frame to tracks: by where they are expected, and by the colours of clothes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeattr.core.detection_metrics import overlaps
from edgeattr.core.errors import importing
from edgeattr.video.box_motion import BoxMotion
from edgeattr.video.boxes import AT_SIDE, Box, Boxes
from edgeattr.video.clothing_colours import Colours

# Chosen by benchmarks/made_streets.py.
_LOST_SECONDS = 2.0  # how long a person may be hidden and stay the same track
_CONFIRM_SECONDS = 0.16  # how long a person is found before they count
_CONFIRM_FRAMES = 0.5  # share of the frames since the first in which they are
_DOUBTFUL_SECONDS = 0.2  # how long who does not count yet may be missed
_BEGIN_SCORE = 0.5  # of a detection that begins a track
_OCCUPIED = 0.3  # IoU with somebody who counts, above which a new track takes longer to count:
# it may be that one, found twice, or half hidden
_CONFIRM_OCCUPIED = 0.6  # seconds until a track there counts
_OVERLAP = 0.15  # IoU of a box with where somebody is expected
_OVERLAP_LAST = 0.2  # and with where they were last seen
_COLOURS = 0.6  # similarity of one person's colours in two frames
_COLOURS_ALONE = 0.4  # likewise, where nobody else is near and boxes overlap well
_OVERLAP_WELL = 0.3
_REMEMBERED = 0.3  # share of a track's colours that stays, after a second
_LEVEL = 0.25  # of a person's height: how far head and feet may both be from where expected
_LEVEL_GROWS = 0.6  # of the height, more for each second since they were seen
_MISSED = 0.1  # as much IoU is somebody further who was not found in the frame before
_NESTED = 0.9  # share of a box inside a better one
_NESTED_SIZES = np.array([0.6, 0.75])  # and of its width or height: one person twice
_INSIDE = 0.75  # share of a person's box inside one that is around two
_PART = 0.8  # of such a box, the most that one of them covers
_AROUND = 0.7  # IoU of it with the box around them
_RECENT = 0.25, 2.5  # seconds or frames since both were seen
_OVERLAPS = 0.1  # seconds between frames in which the boxes of one person overlap enough
_WIDENED = 1.4  # of a box's size, each second more: people walk 2.8 widths a second
_WIDEST = 1.0  # of a box's size
_LEFT = 0.05  # of a person's height: who is expected to show less than that there has left

_Matrix = npt.NDArray[np.float64]
_Rows = npt.NDArray[np.intp]


class Sighting(NamedTuple):
    """Somebody in one frame."""

    seconds: float
    box: Box
    score: float


class _Frame(NamedTuple):
    """Who was found in one frame."""

    boxes: Boxes
    scores: _Matrix  # [N]
    colours: Colours | None
    seconds: float

    def sighting(self, index: int) -> Sighting:
        left, top, right, bottom = self.boxes[index].tolist()
        return Sighting(self.seconds, (left, top, right, bottom), float(self.scores[index]))

    def colours_of(self, index: int) -> npt.NDArray[np.float32] | None:
        return None if self.colours is None else self.colours[index]


@dataclass(eq=False)
class Track:
    """Somebody who is followed."""

    first: list[Sighting]  # until they count
    last: Sighting
    colours: Colours | None
    frames: int = 1  # since they were first found, until they count
    number: int = 0  # from 1, in order of counting; 0: not yet
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.last.seconds


class Association:
    """Follows everybody in a stream from frame to frame.

    Raises:
        MissingDependency: lap is not installed.
    """

    def __init__(self) -> None:
        with importing("lap", extra=None, purpose="track people"):
            import lap
        self._assign = lap.lapjv
        self._count = 0  # tracks that counted, so far
        self.forget()

    def forget(self) -> None:
        """Everybody is new from now on; numbers go on."""
        self._motion, self._tracks, self._seconds = BoxMotion(), list[Track](), math.nan

    def update(
        self,
        boxes: Boxes,
        scores: _Matrix,
        colours: Colours | None,
        seconds: float,
        width: float | None = None,
    ) -> list[Track]:
        """Take in a later frame.

        Args:
            boxes: of the people in it, best first.
            scores: [N].
            colours: what they wear; None: where they are decides alone.
            seconds: of the frame.
            width: of the picture, pixels, whose sides people leave by; None: it has none.

        Returns:
            The tracks that count and were found.
        """
        frame = _Frame(boxes, scores, colours, seconds)
        step = 0.0 if math.isnan(self._seconds) else seconds - self._seconds
        self._motion.predict(step)
        self._end_tracks(seconds, step, width)
        people = self._people(frame, step)
        matches = self._match(frame, people, step)
        self._seconds = seconds
        self._follow(frame, matches)
        found = [self._tracks[row] for row, _ in matches]
        taken = {index for _, index in matches}
        self._begin(frame, [index for index in people if index not in taken])
        return [track for track in found if track.number > 0]

    def _people(self, frame: _Frame, step: float) -> list[int]:
        """The boxes that are around one person each, and around no other box of that person."""
        recent = max(_RECENT[0], _RECENT[1] * step)
        known = self._motion.boxes[
            [it.number > 0 and frame.seconds - it.last.seconds <= recent for it in self._tracks]
        ]
        one = np.flatnonzero(~_around_two(frame.boxes, known)).tolist()
        return [one[place] for place in _apart(frame.boxes[one])]

    def _follow(self, frame: _Frame, matches: list[tuple[int, int]]) -> None:
        """Take in where tracks were found."""
        for track in self._tracks:
            track.frames += 1
        if matches:
            rows = np.array([row for row, _ in matches], np.intp)
            self._motion.correct(rows, frame.boxes[[index for _, index in matches]])
        for row, index in matches:
            _see(self._tracks[row], frame.sighting(index), frame.colours_of(index))
        counted = self._motion.boxes[[track.number > 0 for track in self._tracks]]
        found = frame.boxes[[index for _, index in matches]]
        occupied = np.asarray((overlaps(found, counted) > _OCCUPIED).any(axis=1))
        for place, (row, _) in enumerate(matches):
            least = _CONFIRM_OCCUPIED if occupied[place] else _CONFIRM_SECONDS
            self._number(self._tracks[row], least)

    def _begin(self, frame: _Frame, unmatched: list[int]) -> None:
        """Begin tracks of boxes that matched none."""
        known = self._motion.boxes[[track.number > 0 for track in self._tracks]]
        sure = [index for index in unmatched if frame.scores[index] >= _BEGIN_SCORE]
        around = _around_two(frame.boxes[sure], known).tolist()
        new = [index for index, both in zip(sure, around, strict=True) if not both]
        self._motion.add(frame.boxes[new])
        for index in new:
            seen = frame.sighting(index)
            self._tracks.append(Track([seen], seen, frame.colours_of(index)))

    def _end_tracks(self, seconds: float, step: float, width: float | None) -> None:
        doubtful = max(_DOUBTFUL_SECONDS, 1.5 * step)
        stay = [
            seconds - track.last.seconds <= (_LOST_SECONDS if track.number else doubtful)
            for track in self._tracks
        ]
        stay = [it and not left for it, left in zip(stay, self._left(width).tolist(), strict=True)]
        if not all(stay):
            self._motion.keep(np.array(stay))
            self._tracks = [track for track, it in zip(self._tracks, stay, strict=True) if it]

    def _left(self, width: float | None) -> npt.NDArray[np.bool_]:
        """Who was at the picture's side, and is expected to be beyond it."""
        if width is None or not self._tracks:
            return np.zeros(len(self._tracks), bool)
        last = np.array([track.last.box for track in self._tracks])
        expected, least = self._motion.boxes, _LEFT * (last[:, 3] - last[:, 1])
        by_left = (last[:, 0] <= AT_SIDE) & (expected[:, 2] < least)
        by_right = (last[:, 2] >= width - AT_SIDE) & (expected[:, 0] > width - least)
        return np.asarray(by_left | by_right)

    def _match(self, frame: _Frame, people: list[int], step: float) -> list[tuple[int, int]]:
        """Rows of tracks and their boxes: first where expected, then where last seen."""
        if not self._tracks or not people:
            return []
        boxes = frame.boxes[people]
        colours = None if frame.colours is None else frame.colours[people]
        alike = self._alike(colours, len(boxes))
        missed = np.array([track.last.seconds < self._seconds for track in self._tracks])
        wide = min(_WIDEST, _WIDENED * max(0.0, step - _OVERLAPS))
        overlap = overlaps(_wider(self._motion.boxes, wide), _wider(boxes, wide))
        worth = overlap + alike - _MISSED * missed[:, None]
        since = np.array([self._seconds + step - track.last.seconds for track in self._tracks])
        overlap = np.where(_level(self._motion.boxes, boxes, since), overlap, 0.0)
        found = self._assigned(worth, _may(overlap, _OVERLAP, alike))
        rows = _rest(len(self._tracks), [row for row, _ in found])
        left = _rest(len(boxes), [index for _, index in found])
        if len(rows) and len(left):
            last = np.array([self._tracks[row].last.box for row in rows])
            overlap, alike = overlaps(last, boxes[left]), alike[np.ix_(rows, left)]
            overlap = np.where(_level(last, boxes[left], since[rows]), overlap, 0.0)
            again = self._assigned(overlap + alike, _may(overlap, _OVERLAP_LAST, alike))
            found += [(int(rows[row]), int(left[index])) for row, index in again]
        return [(row, people[index]) for row, index in found]

    def _alike(self, colours: Colours | None, count: int) -> _Matrix:
        """Similarity of colours, [tracks, boxes], 0..1; 1 where nothing is known."""
        if colours is None or any(track.colours is None for track in self._tracks):
            return np.ones((len(self._tracks), count))
        known = np.array([track.colours for track in self._tracks])
        return np.asarray(known @ colours.T, np.float64)

    def _assigned(self, worth: _Matrix, may: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
        _, columns, _ = self._assign(-worth, extend_cost=True)  # of the rows; -1: none
        pairs = enumerate(columns.tolist())
        return [(row, column) for row, column in pairs if column >= 0 and may[row, column]]

    def _number(self, track: Track, least: float) -> None:
        lasted = track.last.seconds - track.began
        enough = len(track.first) >= _CONFIRM_FRAMES * track.frames
        if not track.number and enough and lasted >= least - 1e-6:
            self._count += 1
            track.number = self._count


def _see(track: Track, seen: Sighting, colours: Colours | None) -> None:
    if track.number == 0:
        track.first.append(seen)
    if track.colours is not None and colours is not None:
        stays = _REMEMBERED ** (seen.seconds - track.last.seconds)
        track.colours = stays * track.colours + (1 - stays) * colours
    track.last = seen


def _wider(boxes: Boxes, share: float) -> Boxes:
    more = (boxes[:, 2:] - boxes[:, :2]) * share
    return np.concatenate((boxes[:, :2] - more, boxes[:, 2:] + more), axis=1)


def _level(expected: Boxes, boxes: Boxes, since: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether head or feet are about as high as expected, [N, M]."""
    off = np.abs(expected[:, None, 1::2] - boxes[None, :, 1::2]).min(2)
    height = expected[:, 3] - expected[:, 1]
    return np.asarray(off <= (height * (_LEVEL + _LEVEL_GROWS * since))[:, None])


def _around_two(boxes: Boxes, people: Boxes) -> npt.NDArray[np.bool_]:
    """Which boxes, [N], are around two people as if they were one, who meet or stand one behind
    the other."""
    inside = overlaps(people, boxes, of_first=True) >= _INSIDE
    areas, whole = ((it[:, 2:] - it[:, :2]).prod(1) for it in (people, boxes))
    parts = inside & (areas[:, None] <= _PART * whole)
    around = np.zeros(len(boxes), bool)
    for index in np.flatnonzero(parts.sum(0) >= 2).tolist():
        those = people[parts[:, index]]
        one, other = those[np.array(np.triu_indices(len(those), 1))]
        corners = np.minimum(one[:, :2], other[:, :2]), np.maximum(one[:, 2:], other[:, 2:])
        both = np.concatenate(corners, axis=1)
        around[index] = (overlaps(both, boxes[[index]]) >= _AROUND).any()
    return around


def _apart(boxes: Boxes) -> list[int]:
    """Places of the boxes, best first, that do not lie in a better one about as wide or as high."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    inside = overlaps(boxes, boxes, of_first=True) >= _NESTED
    about = (sizes[:, None] >= _NESTED_SIZES * sizes[None]).any(2)
    nested = np.tril(inside & about, -1)
    kept = np.ones(len(boxes), bool)
    for index in np.flatnonzero(nested.any(1)).tolist():
        kept[index] = not kept[nested[index]].any()
    return np.flatnonzero(kept).tolist()


def _may(overlap: _Matrix, enough: float, alike: _Matrix) -> npt.NDArray[np.bool_]:
    """Which boxes may be which tracks': near, and in like colours; people turn and step into the
    shade, so that colours count less where nobody else can be meant."""
    near = overlap >= enough
    alone = (near.sum(0) == 1) & (near.sum(1, keepdims=True) == 1) & (overlap >= _OVERLAP_WELL)
    return np.asarray(near & (alike >= np.where(alone, _COLOURS_ALONE, _COLOURS)))


def _rest(count: int, taken: list[int]) -> _Rows:
    return np.setdiff1d(np.arange(count), taken).astype(np.intp)
