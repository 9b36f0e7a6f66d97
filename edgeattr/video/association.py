"""Boxes of a frame to tracks: by where they are expected, and by the colours of clothes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import MissingDependency
from edgeattr.video.box_motion import Boxes, BoxMotion
from edgeattr.video.clothing_colours import Colours

__all__ = ["Association", "Sighting", "Track"]

# Chosen by benchmarks/made_streets.py.
_LOST_SECONDS = 2.0  # how long a person may be hidden and stay the same track
_CONFIRM_SECONDS = 0.16  # how long a person is found before they count
_CONFIRM_FRAMES = 0.5  # share of the frames since the first in which they are
_DOUBTFUL_SECONDS = 0.2  # how long who does not count yet may be missed
_BEGIN_SCORE = 0.5  # of a detection that begins a track
_OVERLAP = 0.15  # IoU of a box with where somebody is expected
_OVERLAP_LAST = 0.2  # and with where they were last seen
_COLOURS = 0.6  # similarity of one person's colours in two frames
_COLOURS_ALONE = 0.4  # likewise, where nobody else is near and boxes overlap well
_OVERLAP_WELL = 0.3
_REMEMBERED = 0.3  # share of a track's colours that stays, after a second
_MISSED = 0.1  # as much IoU is somebody further who was not found in the frame before
_INSIDE = 0.75  # share of a person's box inside one that is around two
_PART = 0.8  # of such a box, the most that one of them covers
_AROUND = 0.7  # IoU of it with the box around them
_RECENT = 0.25  # seconds since both were seen
_OVERLAPS = 0.1  # seconds between frames in which the boxes of one person overlap enough
_WIDENED = 1.4  # of a box's size, each second more: people walk 2.8 widths a second
_WIDEST = 1.0  # of a box's size
_EDGE = 2.0  # pixels from the picture's side: a box there is cut off by it
_LEFT = 0.05  # of a person's height: who is expected to show less than that there has left

_Matrix = npt.NDArray[np.float64]
_Rows = npt.NDArray[np.intp]


class Sighting(NamedTuple):
    """Somebody in one frame."""

    seconds: float
    box: tuple[float, float, float, float]  # left, top, right, bottom, pixels
    score: float


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
        MissingDependency: SciPy is not installed.
    """

    def __init__(self) -> None:
        try:
            from scipy.optimize import linear_sum_assignment
        except ImportError as error:
            raise MissingDependency("scipy", extra=None, purpose="track people") from error
        self._assign = linear_sum_assignment
        self._count = 0  # tracks that counted, so far
        self.width: float | None = None
        """Of the picture, pixels, whose sides people leave by; None: it has none."""
        self.forget()

    def forget(self) -> None:
        """Everybody is new from now on; numbers go on."""
        self._motion, self._tracks, self._seconds = BoxMotion(), list[Track](), math.nan

    def update(
        self, boxes: Boxes, scores: _Matrix, colours: Colours | None, seconds: float
    ) -> list[Track]:
        """Take in a later frame.

        Args:
            boxes: of the people in it.
            scores: [N].
            colours: what they wear; None: where they are decides alone.
            seconds: of the frame.

        Returns:
            The tracks that count and were found.
        """
        step = 0.0 if math.isnan(self._seconds) else seconds - self._seconds
        self._motion.predict(step)
        self._end_tracks(seconds, step)
        known = self._motion.boxes[
            [it.number > 0 and seconds - it.last.seconds <= _RECENT for it in self._tracks]
        ]
        one = [i for i in range(len(boxes)) if not _around_two(boxes[i], known)]
        matches = [
            (row, one[index])
            for row, index in self._match(
                boxes[one], None if colours is None else colours[one], step
            )
        ]
        self._seconds = seconds
        for track in self._tracks:
            track.frames += 1
        if matches:
            rows = np.array([row for row, _ in matches], np.intp)
            self._motion.correct(rows, boxes[[index for _, index in matches]])
        for row, index in matches:
            seen = _sighting(boxes, scores, index, seconds)
            _see(self._tracks[row], seen, None if colours is None else colours[index])
            self._number(self._tracks[row])
        told = [self._tracks[row] for row, _ in matches if self._tracks[row].number > 0]
        taken = {index for _, index in matches}
        known = self._motion.boxes[[track.number > 0 for track in self._tracks]]
        new = [
            i
            for i in range(len(boxes))
            if i not in taken and scores[i] >= _BEGIN_SCORE and not _around_two(boxes[i], known)
        ]
        self._motion.add(boxes[new])
        for index in new:
            seen = _sighting(boxes, scores, index, seconds)
            self._tracks.append(
                Track([seen], seen, None if colours is None else colours[index].copy())
            )
        return told

    def _end_tracks(self, seconds: float, step: float) -> None:
        doubtful = max(_DOUBTFUL_SECONDS, 1.5 * step)
        stay = [
            seconds - track.last.seconds <= (_LOST_SECONDS if track.number else doubtful)
            for track in self._tracks
        ]
        stay = [it and not left for it, left in zip(stay, self._left().tolist(), strict=True)]
        if not all(stay):
            self._motion.keep(np.array(stay))
            self._tracks = [track for track, it in zip(self._tracks, stay, strict=True) if it]

    def _left(self) -> npt.NDArray[np.bool_]:
        """Who was at the picture's side, and is expected to be beyond it."""
        if self.width is None or not self._tracks:
            return np.zeros(len(self._tracks), bool)
        last = np.array([track.last.box for track in self._tracks])
        expected, least = self._motion.boxes, _LEFT * (last[:, 3] - last[:, 1])
        by_left = (last[:, 0] <= _EDGE) & (expected[:, 2] < least)
        by_right = (last[:, 2] >= self.width - _EDGE) & (expected[:, 0] > self.width - least)
        return np.asarray(by_left | by_right)

    def _match(self, boxes: Boxes, colours: Colours | None, step: float) -> list[tuple[int, int]]:
        """Rows of tracks and their boxes: first where expected, then where last seen."""
        if not self._tracks or not len(boxes):
            return []
        alike = self._alike(colours, len(boxes))
        missed = np.array([track.last.seconds < self._seconds for track in self._tracks])
        wide = min(_WIDEST, _WIDENED * max(0.0, step - _OVERLAPS))
        overlap = _overlaps(_wider(self._motion.boxes, wide), _wider(boxes, wide))
        worth = overlap + alike - _MISSED * missed[:, None]
        found = self._assigned(worth, _may(overlap, _OVERLAP, alike))
        rows = _rest(len(self._tracks), [row for row, _ in found])
        left = _rest(len(boxes), [index for _, index in found])
        if len(rows) and len(left):
            last = np.array([self._tracks[row].last.box for row in rows])
            overlap, alike = _overlaps(last, boxes[left]), alike[np.ix_(rows, left)]
            again = self._assigned(overlap + alike, _may(overlap, _OVERLAP_LAST, alike))
            found += [(int(rows[row]), int(left[index])) for row, index in again]
        return found

    def _alike(self, colours: Colours | None, count: int) -> _Matrix:
        """Similarity of colours, [tracks, boxes], 0..1; 1 where nothing is known."""
        if colours is None or any(track.colours is None for track in self._tracks):
            return np.ones((len(self._tracks), count))
        known = np.array([track.colours for track in self._tracks])
        return np.asarray(known @ colours.T, np.float64)

    def _assigned(self, worth: _Matrix, may: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
        pairs = zip(*self._assign(worth, maximize=True), strict=True)
        return [(int(row), int(column)) for row, column in pairs if may[row, column]]

    def _number(self, track: Track) -> None:
        lasted = track.last.seconds - track.began
        enough = len(track.first) >= _CONFIRM_FRAMES * track.frames
        if not track.number and enough and lasted >= _CONFIRM_SECONDS - 1e-6:
            self._count += 1
            track.number = self._count


def _see(track: Track, seen: Sighting, colours: Colours | None) -> None:
    if track.number == 0:
        track.first.append(seen)
    if track.colours is not None and colours is not None:
        stays = _REMEMBERED ** (seen.seconds - track.last.seconds)
        track.colours = stays * track.colours + (1 - stays) * colours
    track.last = seen


def _sighting(boxes: Boxes, scores: _Matrix, index: int, seconds: float) -> Sighting:
    left, top, right, bottom = boxes[index].tolist()
    return Sighting(seconds, (left, top, right, bottom), float(scores[index]))


def _wider(boxes: Boxes, share: float) -> Boxes:
    more = (boxes[:, 2:] - boxes[:, :2]) * share
    return np.concatenate((boxes[:, :2] - more, boxes[:, 2:] + more), axis=1)


def _overlaps(boxes: Boxes, others: Boxes) -> _Matrix:
    """IoU, [N, M]."""
    corner = np.maximum(boxes[:, None, :2], others[None, :, :2])
    inside = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - corner
    shared = np.clip(inside, 0, None).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)[:, None], (others[:, 2:] - others[:, :2]).prod(1)
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9))


def _around_two(box: npt.NDArray[np.float64], people: Boxes) -> bool:
    """Whether a box is around two people as if they were one, who meet or stand one behind the
    other."""
    corner = np.maximum(people[:, :2], box[:2])
    inside = np.clip(np.minimum(people[:, 2:], box[2:]) - corner, 0, None).prod(1)
    areas, area = (people[:, 2:] - people[:, :2]).prod(1), (box[2:] - box[:2]).prod()
    parts = people[(inside >= _INSIDE * areas) & (areas <= _PART * area)]
    one, other = parts[np.array(np.triu_indices(len(parts), 1))]
    corners = np.minimum(one[:, :2], other[:, :2]), np.maximum(one[:, 2:], other[:, 2:])
    return bool((_overlaps(np.concatenate(corners, axis=1), box[None]) >= _AROUND).any())


def _may(overlap: _Matrix, enough: float, alike: _Matrix) -> npt.NDArray[np.bool_]:
    """Which boxes may be which tracks': near, and in like colours; people turn and step into the
    shade, so that colours count less where nobody else can be meant."""
    near = overlap >= enough
    alone = (near.sum(0) == 1) & (near.sum(1, keepdims=True) == 1) & (overlap >= _OVERLAP_WELL)
    return np.asarray(near & (alike >= np.where(alone, _COLOURS_ALONE, _COLOURS)))


def _rest(count: int, taken: list[int]) -> _Rows:
    return np.setdiff1d(np.arange(count), taken).astype(np.intp)
