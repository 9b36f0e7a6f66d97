"""Who is who from frame to frame: ByteTrack, from Roboflow's `trackers`."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import MissingDependency
from edgeattr.video.detectors import Detections

__all__ = ["PersonTracker", "TrackedBox"]

_LOST_SECONDS = 2.0  # how long a person may be hidden and stay the same person
_TRACKER_RATE = 30  # frames/s in which `trackers` counts its buffer


@dataclass(frozen=True)
class TrackedBox:
    """A person in one frame."""

    track: int  # number of the person, from 1, in order of appearance
    box: tuple[float, float, float, float]  # left, top, right, bottom, pixels
    score: float  # the detector's, 0..1


@dataclass(frozen=True)
class _Moving:
    """A person when last seen."""

    person: TrackedBox
    velocity: npt.NDArray[np.float64]  # of its middle: right and down, pixels a second


class PersonTracker:
    """Numbers people through one stream, at any steps of time.

    Args:
        rate: frames per second of the stream. Steps between calls may be longer or shorter: they
            are told by the times.
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
                from trackers import ByteTrackTracker
        except ImportError as error:
            raise MissingDependency("trackers", extra=None, purpose="track people") from error
        self.size = size
        self._make = supervision.Detections
        self._rate = rate
        self._tracker = ByteTrackTracker(
            lost_track_buffer=round(_LOST_SECONDS * _TRACKER_RATE),
            frame_rate=rate,
            track_activation_threshold=0.45,
            minimum_consecutive_frames=3,
            minimum_iou_threshold=0.15,
            high_conf_det_threshold=0.4,
        )
        self._numbers: dict[int, int] = {}  # the library's number -> ours
        self._count = 0  # people so far
        self._time = -math.inf  # of the last detections, seconds
        self._seen: list[_Moving] = []  # in them

    def update(self, detections: Detections, seconds: float) -> list[TrackedBox]:
        """Match people with those before.

        Args:
            detections: of the frame.
            seconds: of the frame, on the stream's clock. A frame that is not later than the last
                one is left out. If the clock was set back by more than a person may be hidden,
                everybody is new.

        Returns:
            The people found; those not sure yet, in their first two detections, are left out.
            Of a frame that is left out, the people of the last one.
        """
        if seconds < self._time - _LOST_SECONDS:
            self._tracker.reset()
            self._numbers.clear()
            self._time = -math.inf
        if not self._time < seconds < math.inf:
            return [moving.person for moving in self._seen]
        self._time = seconds
        found = self._tracker.update(
            self._make(
                xyxy=detections.boxes.astype(np.float64),
                confidence=detections.scores.astype(np.float64),
            ),
            timestamp=seconds,
        )
        self._seen = self._moving(found)
        living = {track.tracker_id for track in self._tracker.tracks}
        self._numbers = {own: ours for own, ours in self._numbers.items() if own in living}
        return [moving.person for moving in self._seen]

    def predict(self, seconds: float) -> list[TrackedBox]:
        """Where the people of the last detections are now, moving on as they did, size unchanged.

        Nothing is learnt from it: a later :meth:`update` is the same with and without.

        Args:
            seconds: of the frame, on the stream's clock.

        Returns:
            Those of whom at least a pixel's width and height is inside the frame; nobody once the
            last detections are older than a person may be hidden.
        """
        ahead = max(0.0, seconds - self._time)
        if not ahead <= _LOST_SECONDS:
            return []
        moved = (self._moved(moving, ahead) for moving in self._seen)
        return [person for person in moved if person is not None]

    @property
    def lost_seconds(self) -> float:
        """A person not seen for longer than this will not come back under the same number."""
        return _LOST_SECONDS

    def _moving(self, found: Any) -> list[_Moving]:
        """The people among what the library gives back."""
        if found.tracker_id is None or found.confidence is None:
            return []
        # an XYXYStateEstimator's state is the box, and then its velocity in pixels a frame
        states = {
            track.tracker_id: track.state_estimator.kf.state[:, 0] for track in self._tracker.tracks
        }
        return [
            _Moving(
                TrackedBox(
                    self._number(int(number)),
                    (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                    float(score),
                ),
                # the sides' own speeds would change its size, and miss by more
                states[number][4:].reshape(2, 2).mean(0) * self._rate,
            )
            for box, number, score in zip(
                found.xyxy, found.tracker_id, found.confidence, strict=True
            )
            if number >= 0
        ]

    def _number(self, theirs: int) -> int:
        if theirs not in self._numbers:
            self._count += 1
            self._numbers[theirs] = self._count
        return self._numbers[theirs]

    def _moved(self, moving: _Moving, ahead: float) -> TrackedBox | None:
        box = np.asarray(moving.person.box) + np.tile(moving.velocity * ahead, 2)
        if self.size is not None:
            box = np.clip(box, 0, [*self.size, *self.size])
        left, top, right, bottom = map(float, box)
        if right - left < 1 or bottom - top < 1:
            return None
        return TrackedBox(moving.person.track, (left, top, right, bottom), moving.person.score)
