"""Counts and dwell of whole runs over a made video whose crossings are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from made_crossings import GATE, HALL, SIZE, crossing_frames, crossings
from made_people import empty_scene, write_made_video

import edgeattr
from edgeattr.video.detectors import open_detector
from edgeattr.video.pipeline import Pipeline


class _Events:
    name, promise = "events", "kept in memory"

    def __init__(self) -> None:
        self.all: list[Mapping[str, Any]] = []

    def write(self, event: Mapping[str, Any]) -> None:
        self.all.append(event)


@pytest.mark.parametrize(
    ("rate", "seed"),
    [
        (5, 1),
        *(pytest.param(rate, seed, marks=pytest.mark.slow) for rate in (25, 60) for seed in (1, 2)),
    ],
)
def test_everybody_is_counted_once_each_way(
    shared: Path, tmp_path: Path, model: edgeattr.AttributeModel, rate: int, seed: int
) -> None:
    made = crossings(shared / "ccp", seed)
    scene = empty_scene(shared / "videos" / "people-detection.264", *SIZE)
    video, events = tmp_path / "made.mp4", _Events()
    write_made_video(video, crossing_frames(scene, made, rate), rate)
    with open_detector("auto") as detector, Pipeline(model, detector, outputs=[events]) as run:
        run.add(str(video), zones=[HALL], lines=[GATE])
        assert run.wait(1200)
        (summary,) = run.summaries()
    ways = Counter(it.direction for it in made)
    assert summary.lines == {"gate": {"in": ways["in"], "out": ways["out"]}}
    assert summary.zones == {"hall": len(made)}
    left = [event for event in events.all if event["type"] == "zone" and event["event"] == "left"]
    told = sorted((event["time_s"], event["dwell_s"]) for event in left)
    true = sorted((it.left, it.dwell) for it in made)
    for (seconds, dwell), (seconds_true, dwell_true) in zip(told, true, strict=True):
        assert seconds == pytest.approx(seconds_true, abs=0.2)
        assert dwell == pytest.approx(dwell_true, abs=0.2)
