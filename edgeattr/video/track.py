"""Who is who from frame to frame: ByteTrack, from Roboflow's `trackers`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from edgeattr.errors import MissingDependency
from edgeattr.video.detect import Detections

__all__ = ["PersonTracker", "TrackedBox"]

_LOST_SECONDS = 2.0  # how long a person may be hidden and stay the same person
_TRACKER_RATE = 30  # frames/s in which `trackers` counts its buffer


@dataclass(frozen=True)
class TrackedBox:
    """A person in one frame."""

    track: int  # number of the person, from 1, in order of appearance
    box: tuple[float, float, float, float]  # left, top, right, bottom, pixels
    score: float  # the detector's, 0..1


class PersonTracker:
    """Numbers people through one stream.

    Args:
        rate: frames per second that it will be given.

    Raises:
        MissingDependency: `trackers` is not installed.
    """

    def __init__(self, rate: float) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import supervision
                from trackers import ByteTrackTracker
        except ImportError as error:
            raise MissingDependency("trackers", extra=None, purpose="track people") from error
        self._make = supervision.Detections
        self._tracker = ByteTrackTracker(
            lost_track_buffer=round(_LOST_SECONDS * _TRACKER_RATE),
            frame_rate=rate,
            track_activation_threshold=0.45,
            minimum_consecutive_frames=3,
            minimum_iou_threshold=0.15,
            high_conf_det_threshold=0.4,
        )
        self._numbers: dict[int, int] = {}  # the library's number -> ours

    def update(self, detections: Detections) -> list[TrackedBox]:
        """Match this frame's people with those before; those not sure yet are left out."""
        found = self._tracker.update(
            self._make(
                xyxy=detections.boxes.astype(np.float64),
                confidence=detections.scores.astype(np.float64),
            )
        )
        if found.tracker_id is None or found.confidence is None:
            return []
        return [
            TrackedBox(
                self._numbers.setdefault(int(number), len(self._numbers) + 1),
                (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                float(score),
            )
            for box, number, score in zip(
                found.xyxy, found.tracker_id, found.confidence, strict=True
            )
            if number >= 0
        ]

    @property
    def lost_seconds(self) -> float:
        """A person not seen for longer than this will not come back under the same number."""
        return _LOST_SECONDS
