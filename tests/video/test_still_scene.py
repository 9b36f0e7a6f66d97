"""A still scene without people costs no detector, and nobody who comes in is missed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.video.detection_interval import Found, StillScene
from edgeattr.video.detectors import Detections, Detector, open_detector
from edgeattr.video.sources import Frame
from edgeattr.video.sources.file import VideoFileSource
from edgeattr.video.tracker import PersonTracker, TrackedBox

_ROOM = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8).repeat(40, 0).repeat(40, 1)
_NOBODY = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
_SOMEBODY = Detections(np.array([[0, 0, 9, 9]], np.float32), np.ones(1, np.float32))
_LATE = 2


def _looks(frames: list[Image], answer: Callable[[Image], Detections], step: float) -> list[int]:
    """Which frames are looked at."""
    scene, looked = StillScene(_LATE), list[int]()
    for index, image in enumerate(frames):

        def look(index: int = index, image: Image = image) -> Found:
            looked.append(index)
            found = Found()
            try:
                found.set_result(answer(image))
            except ValueError as error:
                found.set_exception(error)
            return found

        found = scene.detect(Frame(image, index, index * step), look)
        assert index in looked or len(found.result()) == 0
    return looked


def test_a_still_room_is_looked_at_once_a_second() -> None:
    noise = np.random.default_rng(1)
    frames = [np.clip(_ROOM + noise.normal(0, 3, _ROOM.shape), 0, 255).astype(np.uint8)] * 35
    assert _looks(frames, lambda image: _NOBODY, 0.1) == [0, 1, 11, 21, 31]


def test_whoever_comes_in_is_looked_at_from_their_first_frame_to_their_last() -> None:
    entered = _ROOM.copy()
    entered[200:240, 100:112] = 255 - entered[200:240, 100:112]  # a ninth of the height
    frames = [*[_ROOM] * 5, *[entered] * 4, *[_ROOM] * 5]
    looked = _looks(frames, lambda image: _SOMEBODY if image is entered else _NOBODY, 0.01)
    assert looked == [0, 1, 5, 6, 7, 8, 9, 10]  # and an answer counts two frames later


@pytest.mark.parametrize("change", ["somebody", "failure", "size"])
def test_frames_are_looked_at_where_nothing_is_known_of_the_scene(change: str) -> None:
    def answer(image: Image) -> Detections:
        if change == "failure":
            raise ValueError
        return _SOMEBODY if change == "somebody" else _NOBODY

    frames = [_ROOM[20 * index * (change == "size") :] for index in range(8)]
    assert _looks(frames, answer, 0.01) == list(range(8))


@pytest.mark.parametrize("name", ["people-detection.264", "one-by-one-person-detection.mp4"])
def test_tracks_are_those_of_looking_at_every_frame(shared: Path, name: str) -> None:
    with open_detector("person", threads=1) as detector:
        every, _ = _tracks(shared / "videos" / name, detector, 0)
        spared, looked = _tracks(shared / "videos" / name, detector, 4)
    assert spared == every
    assert looked < 0.8 * len(every)


def _tracks(video: Path, detector: Detector, late: int) -> tuple[list[list[TrackedBox]], int]:
    tracks, looked = [], 0
    with VideoFileSource(str(video)) as source:
        tracker, scene = PersonTracker(), StillScene(late)

        def look() -> Found:
            nonlocal looked
            looked += 1
            found = Found()
            found.set_result(detector.detect(frame.image))
            return found

        for frame in source.frames():
            if frame.index == 250:
                break
            found = scene.detect(frame, look) if late else look()
            tracks.append(tracker.update(found.result(), frame.seconds))
    return tracks, looked
