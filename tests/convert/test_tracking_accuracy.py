"""Tracking figures: on drawn sequences whose answers are known."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgeattr
from edgeattr.core.crops import Image
from edgeattr.core.errors import MissingDependency
from edgeattr.video.detectors import Detections
from edgeattr_convert.tracking_accuracy import measure_tracking
from edgeattr_train.data.boxes import MotSequence, open_boxes

from ..video.fake_detector import FakeDetector

_FRAMES, _RATE = 60, 10


def _box(person: int, frame: int) -> tuple[float, float, float, float]:
    """Two people who walk towards each other, one above the other."""
    left = 20.0 + 4 * frame if person == 1 else 560.0 - 4 * frame
    return left, 20.0 + 200 * (person - 1), left + 50, 170.0 + 200 * (person - 1)


class _Knows(FakeDetector):
    """Finds people in frames whose last pixel is their number."""

    def __init__(self, *people: int) -> None:
        self._people = people

    def detect(self, image: Image) -> Detections:
        boxes = [_box(person, int(image[-1, -1, 0])) for person in self._people]
        found = np.array(boxes, np.float32).reshape(-1, 4)
        return Detections(found, np.full(len(found), 0.9, np.float32))


@pytest.fixture
def sequences(tmp_path: Path) -> tuple[MotSequence, ...]:
    for name in ("a", "b"):
        images, truth = tmp_path / name / "img1", tmp_path / name / "gt" / "gt.txt"
        images.mkdir(parents=True)
        truth.parent.mkdir()
        lines = []
        for frame in range(_FRAMES):
            image = np.zeros((480, 640, 3), np.uint8)
            image[-1, -1] = frame
            for person in (1, 2):
                left, top, right, bottom = _box(person, frame)
                size = f"{right - left},{bottom - top}"
                lines.append(f"{frame + 1},{person},{left},{top},{size},1,-1,-1,-1\n")
            cv2.imwrite(str(images / f"{frame + 1:06}.png"), image)
        truth.write_text("".join(lines))
        (tmp_path / name / "seqinfo.ini").write_text(f"[Sequence]\nframeRate={_RATE}\n")
    return open_boxes(f"mot:{tmp_path}").sequences


def test_all_who_are_found_are_followed(
    model: edgeattr.AttributeModel, sequences: tuple[MotSequence, ...]
) -> None:
    assert [(part.frames, part.rate) for part in sequences] == [(_FRAMES, _RATE)] * 2
    figures = measure_tracking(model, _Knows(1, 2), sequences)
    assert figures["MOTA"] > 95
    assert figures["IDF1"] > 95
    assert (figures["switches"], figures["tracks"], figures["persons"]) == (0, 4, 4)
    assert [row["name"] for row in figures["sequences"]] == ["a", "b"]
    assert {(row["tracks"], row["persons"]) for row in figures["sequences"]} == {(2, 2)}


def test_who_is_never_found_counts_against_it(
    model: edgeattr.AttributeModel, sequences: tuple[MotSequence, ...]
) -> None:
    figures = measure_tracking(model, _Knows(1), sequences)
    assert figures["MOTA"] == pytest.approx(50, abs=3)
    assert (figures["tracks"], figures["persons"]) == (2, 4)
    nothing = measure_tracking(model, _Knows(), sequences)
    assert (nothing["MOTA"], nothing["tracks"], nothing["persons"]) == (0, 0, 4)


def test_without_the_measures_it_says_what_to_install(
    model: edgeattr.AttributeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackers.eval", None)
    with pytest.raises(MissingDependency, match=r'pip install "edgeattr\[convert\]"'):
        measure_tracking(model, _Knows(), [])
