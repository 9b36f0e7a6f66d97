"""Tracking figures: on drawn sequences whose answers are known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeattr.core.errors import MissingDependency
from edgeattr.video.detectors import Detections
from edgeattr_convert.tracking_accuracy import TrackingAccuracy
from edgeattr_train.data.boxes import MotSequence, open_boxes

_FRAMES, _RATE = 60, 10


def _box(person: int, frame: int) -> tuple[float, float, float, float]:
    """Two people who walk towards each other, one above the other."""
    left = 20.0 + 4 * frame if person == 1 else 560.0 - 4 * frame
    return left, 20.0 + 200 * (person - 1), left + 50, 170.0 + 200 * (person - 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        images, truth = tmp_path / name / "img1", tmp_path / name / "gt" / "gt.txt"
        images.mkdir(parents=True)
        truth.parent.mkdir()
        lines = []
        for frame in range(_FRAMES):
            cv2.imwrite(str(images / f"{frame + 1:06}.jpg"), np.zeros((8, 8, 3), np.uint8))
            for person in (1, 2):
                left, top, right, bottom = _box(person, frame)
                size = f"{right - left},{bottom - top}"
                lines.append(f"{frame + 1},{person},{left},{top},{size},1,-1,-1,-1\n")
        truth.write_text("".join(lines))
        (tmp_path / name / "seqinfo.ini").write_text(f"[Sequence]\nframeRate={_RATE}\n")
    return tmp_path


def _figures(found: list[Detections], sequences: tuple[MotSequence, ...]) -> dict[str, Any]:
    accuracy = TrackingAccuracy(sequences)
    for detections in found:
        accuracy.add(np.zeros((480, 640, 3), np.uint8), detections)
    return accuracy.figures()


def _found(frame: int, people: tuple[int, ...]) -> Detections:
    boxes = np.array([_box(person, frame) for person in people], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(boxes), 0.9, np.float32))


def test_all_who_are_found_are_followed(folder: Path) -> None:
    data = open_boxes(f"mot:{folder}")
    assert [(part.frames, part.rate) for part in data.sequences] == [(_FRAMES, _RATE)] * 2
    found = [_found(frame, (1, 2)) for _ in "ab" for frame in range(_FRAMES)]
    figures = _figures(found, data.sequences)
    assert figures["MOTA"] > 95
    assert figures["IDF1"] > 95
    assert (figures["switches"], figures["tracks"], figures["persons"]) == (0, 4, 4)
    assert [row["name"] for row in figures["sequences"]] == ["a", "b"]
    assert {(row["tracks"], row["persons"]) for row in figures["sequences"]} == {(2, 2)}


def test_who_is_never_found_counts_against_it(folder: Path) -> None:
    data = open_boxes(f"mot:{folder}")
    found = [_found(frame, (1,)) for _ in "ab" for frame in range(_FRAMES)]
    figures = _figures(found, data.sequences)
    assert figures["MOTA"] == pytest.approx(50, abs=3)
    assert (figures["tracks"], figures["persons"]) == (2, 4)
    nothing = _figures([_found(0, ())] * 2 * _FRAMES, data.sequences)
    assert (nothing["MOTA"], nothing["tracks"], nothing["persons"]) == (0, 0, 4)


def test_without_the_measures_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers.eval", None)
    with pytest.raises(MissingDependency, match=r'pip install "edgeattr\[convert\]"'):
        TrackingAccuracy([])
