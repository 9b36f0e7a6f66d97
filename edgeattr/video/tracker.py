"""Who is who from frame to frame: OC-SORT (Cao et al., CVPR 2023), from Roboflow's `trackers`."""

from __future__ import annotations

import collections
import math
import warnings
from dataclasses import dataclass

import numpy as np

from edgeattr.core.errors import MissingDependency
from edgeattr.model import CropReading
from edgeattr.video.appearance import EMBEDDING, LOG_ODDS
from edgeattr.video.detectors import Detections
from edgeattr.video.fragments import FragmentJoiner

__all__ = ["Box", "PersonTracker", "TrackedBox"]

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, pixels."""

_LOST_SECONDS = 2.0  # how long a person may be hidden and stay the same track
_TRACKER_RATE = 30  # frames/s in which `trackers` counts its buffer
_CONFIRM_SECONDS = 0.12  # a person is found for as long, and twice at least, before they count
_LEAST_SCORE = 0.4  # of a detection that takes part
_LEAST_OVERLAP = 0.2  # IoU of the widened boxes of one person in two frames
_WIDENED = 1.4  # of a box's size, each second between frames: people walk 2.8 widths a second
_OVERLAPS = 0.1  # seconds between frames in which the boxes of one person overlap enough
_WIDEST = 1.0  # of a box's size
_NESTED = (0.9, 0.6)  # share of a box inside a better one, and of its width: one person twice
_VELOCITY_SECONDS = 0.5  # over which a person's speed is measured
_WAIT_FRAMES = 6  # for a crop to be read: the pipeline takes five
_LONGEST_WAIT = 1.0  # seconds
_FOLLOWS = 2.5  # frames/s; at less people are further apart between frames than from each other


@dataclass(frozen=True)
class TrackedBox:
    """A person in one frame."""

    track: int  # number of the person, from 1, in order of appearance
    box: Box
    score: float  # the detector's, 0..1


class PersonTracker:
    """Numbers people through one stream, at any steps of time.

    Args:
        rate: detections per second. Steps between calls may be longer or shorter: they are told by
            the times.
        size: width and height of the frames, pixels, where predicted boxes end; None: nowhere.
            May be set anew when a stream changes its size.
        appearance: whether what people look like counts too; see :meth:`see`.

    Raises:
        MissingDependency: `trackers` is not installed.
    """

    def __init__(
        self,
        rate: float,
        size: tuple[int, int] | None = None,
        *,
        appearance: bool = False,
    ) -> None:
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
        self._tracker = OCSORTTracker(
            lost_track_buffer=round(_LOST_SECONDS * _TRACKER_RATE),
            frame_rate=rate,
            minimum_consecutive_frames=max(2, round(_CONFIRM_SECONDS * rate)),
            minimum_iou_threshold=_LEAST_OVERLAP,
            high_conf_det_threshold=_LEAST_SCORE,
            iou=BIoU(min(_WIDEST, _WIDENED * max(0.0, 1 / rate - _OVERLAPS))),
        )
        self.undecided: list[TrackedBox] = []
        """Of the last detections, who may be somebody seen before; their numbers are below 0."""
        self._joiner = FragmentJoiner(appearance, min(_LONGEST_WAIT, _WAIT_FRAMES / rate))
        self._time = -math.inf  # of the last detections, seconds
        self._seen: list[TrackedBox] = []  # in them
        self._paths: dict[int, collections.deque[tuple[float, Box]]] = {}  # by person, lately

    @staticmethod
    def can_follow(rate: float) -> bool:
        """Whether people can be told from each other at so many frames a second."""
        return rate >= _FOLLOWS

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
            self.cut()
        if not self._time < seconds < math.inf:
            return self._seen
        self._time = seconds
        kept = _not_nested(detections)
        found = self._tracker.update(
            self._make(
                xyxy=detections.boxes[kept].astype(np.float64),
                confidence=detections.scores[kept].astype(np.float64),
            ),
            timestamp=seconds,
        )
        tracks: dict[int, Box] = {}
        scores: dict[int, float] = {}
        if found.tracker_id is not None and found.confidence is not None:
            for box, track, score in zip(
                found.xyxy.tolist(), found.tracker_id.tolist(), found.confidence, strict=True
            ):
                if track >= 0:
                    tracks[track] = (box[0], box[1], box[2], box[3])
                    scores[track] = float(score)
        numbers = self._joiner.join(tracks, seconds, self._velocity)
        people = [TrackedBox(numbers[track], box, scores[track]) for track, box in tracks.items()]
        self._seen = [person for person in people if person.track > 0]
        self.undecided = [person for person in people if person.track < 0]
        self._remember(seconds)
        return self._seen

    def cut(self) -> None:
        """Forget everybody: the scene has changed, or the clock was set back."""
        self._tracker.reset()
        self._joiner.forget()
        self._time, self._seen, self.undecided = -math.inf, [], []
        self._paths.clear()

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
        moved = (self._moved(person, ahead) for person in self._seen)
        return [person for person in moved if person is not None]

    def see(self, number: int, reading: CropReading) -> bool:
        """Take in what a crop of a person looks like; whether it may be who was seen before."""
        limits = EMBEDDING if reading.embedded else LOG_ODDS
        return self._joiner.see(number, reading.appearance, limits)

    @property
    def renamed(self) -> dict[int, int]:
        """Who turned out in the last detections to be whom: numbers by those of before."""
        return self._joiner.renamed

    @property
    def lost_seconds(self) -> float:
        """A person not seen for longer than this will not come back under the same number."""
        return self._joiner.keep_seconds

    def _remember(self, seconds: float) -> None:
        for person in self._seen:
            path = self._paths.setdefault(person.track, collections.deque())
            path.append((seconds, person.box))
            while seconds - path[0][0] > _VELOCITY_SECONDS:
                path.popleft()
        oldest = seconds - self._joiner.keep_seconds
        self._paths = {track: path for track, path in self._paths.items() if path[-1][0] >= oldest}

    def _velocity(self, track: int) -> tuple[float, float]:
        """Of a person's middle, right and down, pixels a second, measured from their boxes."""
        path = self._paths.get(track)
        if path is None or len(path) < 2:
            return 0.0, 0.0
        (began, first), (ended, last) = path[0], path[-1]
        elapsed = ended - began
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


def _not_nested(detections: Detections) -> list[int]:
    """Places of the boxes that do not lie in a better one about as wide, best first."""
    boxes = detections.boxes
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept: list[int] = []
    for index in np.argsort(-detections.scores, kind="stable").tolist():
        box, better = boxes[index], boxes[kept]
        corners = np.maximum(box[:2], better[:, :2]), np.minimum(box[2:], better[:, 2:])
        inside = np.clip(corners[1] - corners[0], 0, None).prod(1) >= _NESTED[0] * areas[index]
        wide = box[2] - box[0] >= _NESTED[1] * (better[:, 2] - better[:, 0])
        if not (inside & wide).any():
            kept.append(index)
    return kept
