"""Whole runs over made videos: who comes back keeps their number, others do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import edgeattr
from edgeattr.core.crops import Image, read_image
from edgeattr.video.detectors import Detections
from edgeattr.video.options import PipelineOptions
from edgeattr.video.pipeline import Pipeline

from ..conftest import write_video
from .fake_detector import FakeDetector

_FLOOR = 90  # grey level around people
_WALL = 140  # pixels at the left that never change: without, each arrival would be a cut
_TALL, _WIDE = 200, 80  # pixels


def _empty() -> Image:
    frame = np.full((300, 800, 3), _FLOOR, np.uint8)
    frame[:150, : _WALL - 20], frame[150:, : _WALL - 20] = 255, 0
    return frame


class _Upright(FakeDetector):
    """Finds whatever is not the floor: one person."""

    def detect(self, image: Image) -> Detections:
        """The box around it."""
        floor = image[:, _WALL:].astype(int)
        rows, columns = np.nonzero(np.abs(floor - _FLOOR).max(2) > 25)
        columns += _WALL
        if not len(rows):
            return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return Detections(np.array([box], np.float32), np.array([0.9], np.float32))


class _Records:
    name, promise = "records", "kept in memory"

    def __init__(self) -> None:
        self.people: list[Mapping[str, Any]] = []

    def write(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "person":
            self.people.append(event)


def _frames(shared: Path, person: int, x: int, count: int) -> list[Image]:
    """Somebody who stands at x, their pose changing, framed so that the box stays the same."""
    frames = []
    for step in range(count):
        crop = read_image(shared / "cuhk03" / "images" / f"{person:04d}_{step // 4 % 4:02d}.jpg")
        frame = _empty()
        frame[50 : 50 + _TALL, x : x + _WIDE] = cv2.resize(crop, (_WIDE, _TALL))
        cv2.rectangle(frame, (x, 50), (x + _WIDE - 1, 49 + _TALL), (255, 255, 255), 2)
        frames.append(frame)
    return frames


@pytest.mark.parametrize(
    ("person", "x", "appearance", "records"),
    [
        (1, 240, True, 1),
        (1, 480, True, 2),  # too far from where they are expected
        (20, 220, True, 2),  # somebody else, where the first is expected
        (20, 220, False, 1),
    ],
)
def test_who_comes_back_after_two_seconds(
    shared: Path, tmp_path: Path, model: edgeattr.AttributeModel,
    person: int, x: int, appearance: bool, records: int,
) -> None:  # fmt: skip
    nobody = [_empty()] * 20
    video = tmp_path / "made.mp4"
    write_video(
        video, _frames(shared, 1, 200, 24) + nobody + _frames(shared, person, x, 24), rate=10
    )
    output = _Records()
    options = PipelineOptions(appearance=appearance)
    with Pipeline(model, _Upright(), outputs=[output], options=options) as pipeline:
        pipeline.add(str(video))
        assert pipeline.wait(60)
    assert len(output.people) == records
