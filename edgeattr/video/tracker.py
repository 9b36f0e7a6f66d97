"""Who is who from frame to frame: OC-SORT, from Roboflow's `trackers`, and joined fragments."""

from __future__ import annotations

import math
import warnings
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import MissingDependency
from edgeattr.video.detectors import Detections

__all__ = ["PersonTracker", "TrackedBox", "too_slow_to_follow"]

_LOST_SECONDS = 3.0  # how long a person may be hidden and stay the same person
_LIBRARY_SECONDS = 1.5  # of these, those after which OC-SORT begins anew and fragments are joined
_TRACKER_RATE = 30  # frames/s in which `trackers` counts its buffer
_CONFIRM_SECONDS = 0.12  # a person seen in two detections at least so far apart is no false alarm
_VELOCITY_SECONDS = 0.5  # over which a person's velocity is taken
_WALK = 1.4  # box widths that a person goes in half a second, beyond the overlap of two boxes
_SLOWEST_RATE = 0.8  # detections a second below which nobody can be followed
_JOIN_DISTANCE = (0.3, 0.5)  # heights between prediction and find: at once, and more per second
_JOIN_SIZE = 1.4  # how many times as high or low a joined fragment may be
_EDGE = 0.02  # of the picture's width: who was lost there has left
_NESTED = (0.9, 0.6)  # share of a box inside a better one, and of its width: one person twice


@dataclass(frozen=True)
class TrackedBox:
    """A person in one frame."""

    track: int  # number of the person, from 1, in order of appearance
    box: tuple[float, float, float, float]  # left, top, right, bottom, pixels
    score: float  # the detector's, 0..1


@dataclass(eq=False)
class _Track:
    """What the tracker saw of somebody."""

    since_s: float  # when OC-SORT began it; it tells of it from the second detection on
    first_s: float  # of the first box that it told
    first_box: npt.NDArray[np.float64]
    number: int | None = None  # None: not confirmed yet
    score: float = 0.0
    seen: deque[tuple[float, npt.NDArray[np.float64]]] = field(default_factory=deque)

    def add(self, seconds: float, box: npt.NDArray[np.float64], score: float) -> None:
        self.seen.append((seconds, box))
        self.score = score
        while seconds - self.seen[0][0] > _VELOCITY_SECONDS and len(self.seen) > 2:
            self.seen.popleft()

    @property
    def last_s(self) -> float:
        return self.seen[-1][0]

    @property
    def person(self) -> TrackedBox:
        left, top, right, bottom = map(float, self.seen[-1][1])
        return TrackedBox(self.number or 0, (left, top, right, bottom), self.score)

    def at(self, seconds: float) -> npt.NDArray[np.float64]:
        """The box, moved on by the velocity of its middle; the sides' own would change its size."""
        (before, old), (now, new) = self.seen[0], self.seen[-1]
        if now <= before:
            return new
        velocity = (new - old).reshape(2, 2).mean(0) / (now - before)
        return np.asarray(new + np.tile(velocity * (seconds - now), 2), np.float64)


class PersonTracker:
    """Numbers people through one stream, at any steps of time.

    Args:
        rate: detections per second of the stream. Steps between calls may be longer or shorter:
            they are told by the times.
        size: width and height of the frames, pixels, where predicted boxes end; None: nowhere.
            May be set anew when a stream changes its size.

    Raises:
        MissingDependency: `trackers` is not installed.
    """

    def __init__(self, rate: float, size: tuple[int, int] | None = None) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import supervision
                from trackers import OCSORTTracker
                from trackers.utils.iou import BIoU
        except ImportError as error:
            raise MissingDependency("trackers", extra=None, purpose="track people") from error
        self.size = size
        self._make = supervision.Detections
        step = max(1 / rate, 1e-3)
        self._lost = max(_LOST_SECONDS, 2 * step)
        self._tracker = OCSORTTracker(
            lost_track_buffer=math.ceil(max(_LIBRARY_SECONDS, 1.5 * step) * _TRACKER_RATE),
            frame_rate=rate,
            minimum_consecutive_frames=1,  # confirmed here, by the clock
            minimum_iou_threshold=0.15,
            high_conf_det_threshold=0.4,
            iou=BIoU(min(1.0, max(0.0, _WALK * (step - 0.1)))),
        )
        self._tracks: dict[int, _Track] = {}  # by the library's number
        self._count = 0  # people so far
        self._time = -math.inf  # of the last detections, seconds
        self._now: list[_Track] = []  # the confirmed in them

    def update(self, detections: Detections, seconds: float) -> list[TrackedBox]:
        """Match people with those before.

        Args:
            detections: of the frame.
            seconds: of the frame, on the stream's clock. A frame that is not later than the last
                one is left out. If the clock was set back by more than a person may be hidden,
                everybody is new.

        Returns:
            The people found; those not sure yet, in their first 0.12 seconds, are left out.
            Of a frame that is left out, the people of the last one.
        """
        if seconds < self._time - self._lost:
            self.restart()
        if not self._time < seconds < math.inf:
            return [track.person for track in self._now]
        before, self._time = max(self._time, 0.0), seconds
        boxes, scores = _without_nested(detections)
        found = self._tracker.update(self._make(xyxy=boxes, confidence=scores), timestamp=seconds)
        self._now = []
        for number, box, score in zip(
            found.tracker_id, found.xyxy, found.confidence if len(found) else (), strict=True
        ):
            if number < 0:
                continue
            track = self._tracks.setdefault(int(number), _Track(before, seconds, box))
            track.add(seconds, box, float(score))
            if track.number is None and seconds - track.since_s >= _CONFIRM_SECONDS:
                track.number = self._joined(track) or self._next_number()
            if track.number is not None:
                self._now.append(track)
        self._tracks = {
            number: track
            for number, track in self._tracks.items()
            if seconds - track.last_s <= self._lost
        }
        return [track.person for track in self._now]

    def predict(self, seconds: float) -> list[TrackedBox]:
        """Where the people of the last detections are now, moving on as they did, size unchanged.

        Nothing is learnt from it: a later :meth:`update` is the same with and without.

        Args:
            seconds: of the frame, on the stream's clock.

        Returns:
            Those of whom at least a pixel's width and height is inside the frame; nobody once the
            last detections are older than a person may be hidden.
        """
        if not max(0.0, seconds - self._time) <= self._lost:
            return []
        people = []
        for track in self._now:
            box = track.at(max(seconds, self._time))
            if self.size is not None:
                box = np.clip(box, 0, [*self.size, *self.size])
            left, top, right, bottom = map(float, box)
            if right - left >= 1 and bottom - top >= 1:
                people.append(
                    TrackedBox(track.number or 0, (left, top, right, bottom), track.score)
                )
        return people

    def restart(self) -> None:
        """Everybody is new from here on: the scene or the clock has changed."""
        self._tracker.reset()
        self._tracks.clear()
        self._now, self._time = [], -math.inf

    @property
    def lost_seconds(self) -> float:
        """A person not seen for longer than this will not come back under the same number."""
        return self._lost

    def _next_number(self) -> int:
        self._count += 1
        return self._count

    def _joined(self, track: _Track) -> int | None:
        """The number of a person who was lost and goes on as this track, by motion and size."""
        best, near = None, 1.0
        for key, lost in self._tracks.items():
            gap = track.first_s - lost.last_s
            if lost.number is None or gap <= 0 or self._has_left(lost):
                continue
            distance = _distance(lost.at(track.first_s), track.first_box)
            share = min(
                distance / (_JOIN_DISTANCE[0] + _JOIN_DISTANCE[1] * gap),
                _distance(lost.seen[-1][1], track.first_box) / _JOIN_DISTANCE[0],
            )
            if share < near:
                best, near = key, share
        if best is None:
            return None
        return self._tracks.pop(best).number

    def _has_left(self, lost: _Track) -> bool:
        """Whether somebody was last seen at a side of the picture."""
        if self.size is None:
            return False
        left, _, right, _ = lost.seen[-1][1]
        return bool(left <= _EDGE * self.size[0] or right >= (1 - _EDGE) * self.size[0])


def too_slow_to_follow(rate: float) -> bool:
    """Whether people go too far between two detections for anybody to be followed."""
    return rate < _SLOWEST_RATE


def _distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Between the middles of two boxes, in heights; infinite if their sizes differ by too much."""
    heights = one[3] - one[1], other[3] - other[1]
    if max(heights) > _JOIN_SIZE * min(heights):
        return math.inf
    middle = (one - other).reshape(2, 2).mean(0)
    return float(np.hypot(*middle) / max(heights))


def _without_nested(
    detections: Detections,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Boxes and scores, without those that lie in a better one and are about as wide."""
    boxes, scores = detections.boxes.astype(np.float64), detections.scores.astype(np.float64)
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        box = boxes[index]
        area = max(1e-6, float(np.prod(box[2:] - box[:2])))
        better = boxes[kept]
        inside = np.clip(
            np.minimum(box[2:], better[:, 2:]) - np.maximum(box[:2], better[:, :2]), 0, None
        ).prod(1)
        wide = (box[2] - box[0]) >= _NESTED[1] * (better[:, 2] - better[:, 0])
        if not np.any((inside >= _NESTED[0] * area) & wide):
            kept.append(int(index))
    return boxes[kept], scores[kept]
