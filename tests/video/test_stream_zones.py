"""Zones of a whole stream: who has gone, or is nobody, is in none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

import edgeattr
from edgeattr.core.crops import Image
from edgeattr.model import Crops
from edgeattr.video.detectors import Detections
from edgeattr.video.options import PipelineOptions
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources import Frame
from edgeattr.video.zones import Zone
from edgeattr_runtimes import Outputs

from .fake_detector import FakeDetector
from .test_frame_reader import DrawnSource
from .test_pipeline import _Lines

_HALL = Zone(name="hall", points=((0.1, 0.1), (0.9, 0.1), (0.9, 1.0), (0.1, 1.0)))


class _Noise(DrawnSource):
    """Frames whose crops are sharp."""

    def frames(self) -> Iterator[Frame]:
        noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
        for index in range(self.count):
            yield Frame(noise, index, index / self.rate)


class _Resized(DrawnSource):
    """The same blurred scene, larger from the middle on."""

    def frames(self) -> Iterator[Frame]:
        few = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        for index in range(self.count):
            size = (320, 240) if index < self.count / 2 else (640, 480)
            scene = cv2.resize(few, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
            yield Frame(scene, index, index / self.rate)


class _Sees(FakeDetector):
    """Finds somebody in some of the frames, by their number."""

    def __init__(self, frames: set[int]) -> None:
        self._frames, self._number = frames, -1

    def detect(self, image: Image) -> Detections:
        self._number += 1
        found = super().detect(image)
        seen = self._number in self._frames
        return found if seen else Detections(found.boxes[:0], found.scores[:0])


def _events(
    model: edgeattr.AttributeModel,
    monkeypatch: pytest.MonkeyPatch,
    *,
    logit: float,
    seen: set[int],
    every: int = 1,
) -> list[tuple[object, ...]]:
    """Type, kind and time of what happens, where each crop of a person is read alike."""
    found = model.read([np.zeros((96, 40, 3), np.uint8)])

    def alike(crops: Crops) -> Outputs:
        logits = np.full((len(crops), found.logits.shape[1]), logit, np.float32)
        return dataclasses.replace(found, logits=logits, embedding=None)

    monkeypatch.setattr(model, "read", alike)
    options = PipelineOptions(workers=1, frames_ahead=1, detect_every=every)
    lines = _Lines()
    with Pipeline(model, _Sees(seen), outputs=[lines], options=options) as pipeline:
        pipeline.add(_Noise(100), zones=[_HALL])
        assert pipeline.wait(60)
    return [(it["type"], it.get("event"), it.get("time_s")) for it in lines.events]


def test_who_has_gone_leaves_a_zone_before_their_record(
    model: edgeattr.AttributeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = _events(model, monkeypatch, logit=2.0, seen=set(range(10)), every=3)
    assert [it[:2] for it in events] == [
        ("zone", "entered"), ("zone", "left"), ("person", None), ("summary", None)
    ]  # fmt: skip


def test_whom_no_crop_shows_leaves_a_zone_for_good(
    model: edgeattr.AttributeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = {frame for frame in range(100) if frame < 40 or frame % 3}
    events = _events(model, monkeypatch, logit=np.nan, seen=often)
    left = pytest.approx(2.0, abs=0.2)
    assert events == [("zone", "entered", 0.0), ("zone", "left", left), ("summary", None, None)]


def test_nobody_is_in_a_zone_twice_when_the_picture_changes_its_size(
    model: edgeattr.AttributeModel,
) -> None:
    lines = _Lines()
    with Pipeline(model, FakeDetector(), outputs=[lines]) as pipeline:
        pipeline.add(_Resized(60), zones=[_HALL])
        assert pipeline.wait(60)
    inside = [it["occupancy"] for it in lines.of("zone")]
    assert inside == [1, 0, 1, 0]
