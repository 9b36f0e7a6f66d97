"""Counts and dwell of whole runs over a made video whose crossings are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_crossings import GATE, HALL, SIZE, crossing_frames, crossings
from made_people import empty_scene, write_made_video
from scipy.optimize import linear_sum_assignment

import edgeattr
from edgeattr.video.detectors import open_detector
from edgeattr.video.pipeline import Pipeline


class _Events:
    name, promise = "events", "kept in memory"

    def __init__(self) -> None:
        self.all: list[Mapping[str, Any]] = []

    def write(self, event: Mapping[str, Any]) -> None:
        self.all.append(event)


_SEEDS = {5: (1, 2), 25: (1, 2, 8), 60: (1, 2, 3, 5, 7)}


@pytest.mark.parametrize(
    ("rate", "seed"),
    [
        pytest.param(rate, seed, marks=() if (rate, seed) == (5, 1) else pytest.mark.slow)
        for rate, seeds in _SEEDS.items()
        for seed in seeds
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
    told = np.array([(event["time_s"], event["dwell_s"]) for event in left])
    true = np.array([(it.left, it.dwell) for it in made])
    off = np.abs(told[:, None] - true[None]).max(2)  # two may leave at once
    assert off[linear_sum_assignment(off)].max() <= 0.2
