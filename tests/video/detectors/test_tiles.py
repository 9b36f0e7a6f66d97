"""Tiles: people too small for the whole frame, each once."""

from __future__ import annotations

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.core.errors import UsageError
from edgeattr.video.detectors import (
    Detections,
    TiledDetector,
    open_detector,
    parse_size,
    parse_tiles,
)

from ..fake_detector import FakeDetector


class _BrightDetector(FakeDetector):
    """Finds the box of all that is bright, unless the picture is wider than 150 pixels."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def detect(self, image: Image) -> Detections:
        self.seen.append(image.shape[:2])
        y, x = np.nonzero(image[..., 0])
        if not len(x) or image.shape[1] > 150:
            return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
        box = [[x.min(), y.min(), x.max() + 1, y.max() + 1]]
        return Detections(np.array(box, np.float32), np.array([0.9], np.float32))


@pytest.mark.parametrize("left", range(0, 190, 10))
def test_a_person_in_any_place_is_found_once(left: int) -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[70:85, left : left + 10] = 255
    inner = _BrightDetector()
    detector = TiledDetector(inner, parse_tiles("2x2"))
    found = detector.detect(frame)
    assert found.boxes.tolist() == [[left, 70, left + 10, 85]]
    assert inner.seen[0] == (100, 200)
    assert len(inner.seen) == 5


@pytest.mark.parametrize("left", range(0, 271, 15))
@pytest.mark.parametrize("top", [0, 65, 130, 180])
def test_a_person_of_a_tenth_of_the_frame_is_whole_in_one_of_many_tiles(
    left: int, top: int
) -> None:
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[top : top + 20, left : left + 30] = 255
    found = TiledDetector(_BrightDetector(), (3, 3)).detect(frame)
    assert found.boxes.tolist() == [[left, top, left + 30, top + 20]]


def test_a_box_that_ends_just_before_a_cut_shows_a_part() -> None:
    class _Short(_BrightDetector):
        """Its boxes of parts end before the cut, by more the larger the tile is."""

        def detect(self, image: Image) -> Detections:
            found = super().detect(image[::10, ::10])
            return Detections(10 * found.boxes - np.array([0, 0, 15, 0], np.float32), found.scores)

    frame = np.zeros((1000, 2000, 3), np.uint8)
    frame[200:400, 860:1240] = 255  # the left tile ends at 1120, the right one begins at 880
    assert len(TiledDetector(_Short(), (1, 2)).detect(frame)) == 0
    frame[200:400, 860:940] = 0
    found = TiledDetector(_Short(), (1, 2)).detect(frame)
    assert found.boxes.tolist() == [[940, 200, 1225, 400]]


def test_tiles_find_those_who_are_too_far_for_the_whole_frame(frames: list[Image]) -> None:
    near = frames[-1]
    far = np.full((near.shape[0] * 4, near.shape[1] * 4, 3), 114, np.uint8)
    height, width = near.shape[:2]
    far[: height * 2, : width * 2] = np.repeat(np.repeat(near, 2, 0), 2, 1)
    far[height * 2 : height * 3, width * 2 : width * 3] = near
    with open_detector("person", threads=1, min_score=0.45) as whole:
        plain = len(whole.detect(far))
        assert len(TiledDetector(whole, (2, 2)).detect(far)) > plain


def test_sizes_and_tiles() -> None:
    assert parse_size("640") == 640
    assert parse_size("960x544") == (544, 960)
    assert parse_tiles("3x2") == (2, 3)
    for text in ("", "0", "650", "960x", "960x545", "100000"):
        with pytest.raises(UsageError, match="expected the longer side in pixels, as 640"):
            parse_size(text)
    for text in ("1x1", "0x2", "5x4", "2"):
        with pytest.raises(UsageError, match="COLUMNSxROWS"):
            parse_tiles(text)


def test_a_fixed_input_and_a_larger_one(frames: list[Image]) -> None:
    frame = frames[-1]
    for size in (640, (384, 640), (512, 512)):
        with open_detector("person", threads=1, size=size, min_score=0.45) as detector:
            assert len(detector.detect(frame)) >= 3
    with pytest.raises(UsageError, match=r"detector input \(384, 650\); expected multiples of 32"):
        open_detector("person", size=(384, 650))
