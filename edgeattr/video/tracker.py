"""Who is who in a stream: tracks, and fragments of one person's track under one number."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.video.association import Association, Sighting, Track
from edgeattr.video.boxes import Box
from edgeattr.video.clothing_colours import clothing_colours
from edgeattr.video.detectors import Detections
from edgeattr.video.fragments import Fragment, FragmentJoiner

_LEAST_SCORE = 0.45  # of a detection that takes part
_VELOCITY_SECONDS = 0.5  # over which a person's speed is measured
_PREDICTED_SECONDS = 2.0  # how long people are expected to go on as they did
_FOLLOWS = 2.5  # frames/s; at less people are further apart between frames than from each other
_FILLED_SECONDS = 1.5  # a person missed for no longer was between where they were seen
_SIZES = (0.5, 0.7)  # the smaller width and height over the larger, there


@dataclass(frozen=True)
class TrackedBox:
    """A person in one frame."""

    track: int  # number of the person, from 1, in order of appearance
    box: Box
    score: float  # the detector's, 0..1


class EarlierBox(NamedTuple):
    """Where a person was in a frame before, as turned out later."""

    seconds: float  # of that frame
    person: TrackedBox
    found: bool  # by the detector, before they counted; else between two boxes


class PersonTracker:
    """Numbers people through one stream, at any steps of time.

    Args:
        size: width and height of the frames, pixels, where people leave and predicted boxes end;
            None: nowhere.
            May be set anew when a stream changes its size.
        appearance: whether the colours of people's clothes count too.

    Raises:
        MissingDependency: lap is not installed.
    """

    lost_seconds = FragmentJoiner.keep_seconds
    """A person not seen for longer will not come back under the same number."""

    def __init__(self, size: tuple[int, int] | None = None, *, appearance: bool = True) -> None:
        self.size = size
        self.earlier: list[EarlierBox] = []
        """What the last detections told of people in frames before, in order for each."""
        self._appearance = appearance
        self._association, self._joiner = Association(), FragmentJoiner()
        self._time = -math.inf  # of the last detections, seconds
        self._times: collections.deque[float] = collections.deque()  # of detections, lately
        self._seen: list[TrackedBox] = []  # in the last
        self._paths: dict[int, collections.deque[Sighting]] = {}  # by person, lately

    @staticmethod
    def can_follow(rate: float) -> bool:
        """Whether people can be told from each other at so many frames a second."""
        return rate >= _FOLLOWS

    def update(
        self, detections: Detections, seconds: float, image: Image | None = None
    ) -> list[TrackedBox]:
        """Match people with those before.

        Args:
            detections: of the frame.
            seconds: of the frame, on the stream's clock. A frame that is not later than the last
                one is left out. If the clock was set back by more than a person may be hidden,
                everybody is new.
            image: the frame, uint8 [H, W, 3], BGR; None: colours do not count.

        Returns:
            The people found; those not sure yet, in their first moment, are left out and are in
            :attr:`earlier` later. Of a frame that is left out, the people of the last one.
        """
        self.earlier = []
        if seconds < self._time - _PREDICTED_SECONDS:
            self.cut()
        if not self._time < seconds < math.inf:
            return self._seen
        self._time = seconds
        kept = _people(detections)
        boxes, scores = detections.boxes[kept], detections.scores[kept]
        colours = clothing_colours(image, boxes) if self._appearance and image is not None else None
        width = self.size[0] if self.size else None
        found = self._association.update(
            boxes.astype(np.float64), scores.astype(np.float64), colours, seconds, width
        )
        numbers = self._joiner.join(
            {track.number: _fragment(track) for track in found},
            seconds,
            self._velocity,
            width,
        )
        first = {numbers[number]: number for number in sorted(numbers, reverse=True)}
        # a person is in one place at a time
        found = [track for track in found if first[numbers[track.number]] == track.number]
        self._times.append(seconds)
        while seconds - self._times[0] > _FILLED_SECONDS + 1:
            self._times.popleft()
        self._seen = [
            TrackedBox(numbers[track.number], track.last.box, track.last.score) for track in found
        ]
        for track in found:
            self._remember(track, numbers[track.number])
        oldest = seconds - self.lost_seconds
        self._paths = {
            track: path for track, path in self._paths.items() if path[-1].seconds >= oldest
        }
        return self._seen

    def cut(self) -> None:
        """Forget everybody: the scene has changed, or the clock was set back."""
        self._association.forget()
        self._joiner.forget()
        self._time, self._seen = -math.inf, []
        self._times.clear()
        self._paths.clear()

    def predict(self, seconds: float) -> list[TrackedBox]:
        """Where the people of the last detections are now, moving on as they did, size unchanged.

        Nothing is learnt from it: a later :meth:`update` is the same with and without.

        Args:
            seconds: of the frame, on the stream's clock.

        Returns:
            Those of whom at least a pixel's width and height is inside the frame; nobody once the
            last detections are older than people are expected to go on as they did.
        """
        ahead = max(0.0, seconds - self._time)
        if not ahead <= _PREDICTED_SECONDS:
            return []
        moved = (self._moved(person, ahead) for person in self._seen)
        return [person for person in moved if person is not None]

    def renumber(self, person: int, to: int | None) -> int:
        """Whoever has a number turned out to be somebody else, and is that one from now on.

        Args:
            person: the number that they have.
            to: the number that they get; None: a new one.

        Returns:
            The number that they get. The other stays that of the one who had it, who may be close.
        """
        number = self._joiner.renumber(person, to)
        if path := self._paths.pop(person, None):
            self._paths[number] = path
        self._seen = [
            replace(seen, track=number) if seen.track == person else seen for seen in self._seen
        ]
        return number

    def _remember(self, track: Track, number: int) -> None:
        """Take in what was seen of a person, and what that tells of frames before."""
        path = self._paths.setdefault(number, collections.deque())
        *before, last = track.first or [track.last]
        track.first = []
        if path:  # who was in two places at once was not
            before = [seen for seen in before if seen.seconds > path[-1].seconds]
        if path:
            between = self._between(path[-1], before[0] if before else last)
            self.earlier += [_earlier(number, seen, found=False) for seen in between]
        self.earlier += [_earlier(number, seen, found=True) for seen in before]
        path.extend((*before, last))
        while last.seconds - path[0].seconds > _VELOCITY_SECONDS:
            path.popleft()

    def _between(self, start: Sighting, end: Sighting) -> Iterator[Sighting]:
        """Where somebody was in the frames in which they were missed, if that can be said."""
        if len(self._times) < 2 or start.seconds >= self._times[-2]:
            return
        gap = end.seconds - start.seconds
        first, last = np.array(start.box), np.array(end.box)
        sizes = np.stack((first[2:] - first[:2], last[2:] - last[:2]))
        if gap > _FILLED_SECONDS or (sizes.min(0) < _SIZES * sizes.max(0)).any():
            return
        for seconds in self._times:
            if start.seconds < seconds < end.seconds:
                share = (seconds - start.seconds) / gap
                left, top, right, bottom = ((1 - share) * first + share * last).tolist()
                yield Sighting(seconds, (left, top, right, bottom), min(start.score, end.score))

    def _velocity(self, track: int) -> tuple[float, float]:
        """Of a person's middle, right and down, pixels a second, measured from their boxes."""
        path = self._paths.get(track)
        if path is None or len(path) < 2:
            return 0.0, 0.0
        first, last = path[0].box, path[-1].box
        elapsed = path[-1].seconds - path[0].seconds
        return (
            (last[0] + last[2] - first[0] - first[2]) / 2 / elapsed,
            (last[1] + last[3] - first[1] - first[3]) / 2 / elapsed,
        )

    def _moved(self, person: TrackedBox, ahead: float) -> TrackedBox | None:
        right, down = self._velocity(person.track)
        box = np.asarray(person.box) + np.tile([right * ahead, down * ahead], 2)
        if self.size is not None:
            box = np.clip(box, 0, [*self.size, *self.size])
        left, top, right, bottom = map(float, box)
        if right - left < 1 or bottom - top < 1:
            return None
        return TrackedBox(person.track, (left, top, right, bottom), person.score)


def _fragment(track: Track) -> Fragment:
    before = [(seen.seconds, seen.box) for seen in track.first]
    return Fragment(track.last.box, track.colours, track.began, before)


def _earlier(number: int, seen: Sighting, *, found: bool) -> EarlierBox:
    return EarlierBox(seen.seconds, TrackedBox(number, seen.box, seen.score), found)


def _people(detections: Detections) -> npt.NDArray[np.intp]:
    """Places of the boxes that may be people, best first."""
    order = np.argsort(-detections.scores, kind="stable")
    return order[detections.scores[order] >= _LEAST_SCORE]
