"""Moving shapes before a still camera."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeattr.video.detectors import MotionDetector
from edgeattr.video.sources.file import VideoFileSource


def test_motion_follows_the_figure(walking_video: Path) -> None:
    detector = MotionDetector()
    with VideoFileSource(str(walking_video)) as source:
        found = {frame.index: detector.detect(frame.image) for frame in source.frames()}
    assert len(found[3]) == 0
    box = found[30].boxes[0]
    assert len(found[30]) == 1
    left = 10 + 7 * 25
    assert box == pytest.approx([left, 63, left + 34, 211], abs=14)


def test_a_fresh_one_knows_nothing_of_the_first_s_background(walking_video: Path) -> None:
    first = MotionDetector()
    with VideoFileSource(str(walking_video)) as source:
        images = [frame.image for frame in source.frames()]
    found = [first.detect(image) for image in images]
    second = first.for_stream()
    again = [second.detect(image) for image in images]
    assert [len(each) for each in again] == [len(each) for each in found]
    assert len(second.for_stream().detect(images[-1])) == 0
