"""Cuts are seen, and nothing else is taken for one."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from edgeattr.video.detection_interval import SceneCutDetector
from edgeattr.video.sources.file import VideoFileSource


def _scene(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((60, 80, 1), np.uint8))


def test_another_scene_is_a_cut_and_light_is_none() -> None:
    detector = SceneCutDetector()
    first, second = _scene(1), _scene(2)
    dark = (first * 0.3).astype(np.uint8)
    black = np.zeros_like(first)
    passing = first.copy()
    passing[60:, 120:260] = 90  # somebody close to the camera
    frames = [first, first, dark, passing, black, first, second, second, black, first]
    cuts = [detector.is_cut(frame) for frame in frames]
    assert [index for index, cut in enumerate(cuts) if cut] == [6, 9]


@pytest.mark.parametrize("name", ["people-detection.264", "one-by-one-person-detection.mp4"])
def test_a_real_scene_has_no_cut(shared: Path, name: str) -> None:
    detector = SceneCutDetector()
    with VideoFileSource(str(shared / "videos" / name)) as source:
        frames = itertools.islice(source.frames(), 400)
        assert not any(detector.is_cut(frame.image) for frame in frames)
