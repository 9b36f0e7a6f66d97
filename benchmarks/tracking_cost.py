"""What tracking and zones cost in a crowd of 30, as a share of the whole run.

    python benchmarks/tracking_cost.py VIDEO [--people 30]

The run decodes the video, detects people, follows them through zones and lines and reads attributes
of their crops; but what its detector finds is replaced by people who walk to and fro. Tracking and
zones are in processor time of their thread, the run in that of the whole process.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

import numpy as np

import edgeattr
from edgeattr.core.crops import Image
from edgeattr.video.detectors import Detections, Detector, open_detector
from edgeattr.video.options import PipelineOptions
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.tracker import PersonTracker
from edgeattr.video.zone_monitor import ZoneMonitor
from edgeattr.video.zones import Line, Zone
from edgeattr_runtimes.device import device_name

_RATE = 25.0  # frames in which people walk what they walk in a second
_ZONES = [
    Zone(name=f"zone {k}", points=((k / 3, 0.2), ((k + 1) / 3, 0.2), ((k + 1) / 3, 1), (k / 3, 1)))
    for k in range(3)
]
_LINES = [Line(name=f"line {k}", points=((x, 0.0), (x, 1.0))) for k, x in enumerate((0.3, 0.6))]


class _Crowd:
    """A detector that looks and then finds a crowd."""

    def __init__(self, detector: Detector, people: int) -> None:
        rng = np.random.default_rng(0)
        self._detector, self._frame = detector, 0
        self._start, self._pace = rng.uniform(0, 1400, people), rng.uniform(-60, 60, people)
        self._tops = rng.uniform(0, 0.7, people)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def detect(self, image: Image) -> Detections:
        self._detector.detect(image)
        height, width = image.shape[:2]
        gone = np.abs((self._start + self._pace * self._frame / _RATE) % 1400 - 700) / 700
        left, top = gone * 0.95 * width, self._tops * height
        self._frame += 1
        boxes = np.stack((left, top, left + 0.05 * width, top + 0.25 * height), axis=1)
        return Detections(boxes.astype(np.float32), np.full(len(boxes), 0.9, np.float32))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("--people", type=int, default=30)
    options = parser.parse_args()
    spent: Counter[str] = Counter()
    _time_calls(PersonTracker, "tracking", spent)
    _time_calls(ZoneMonitor, "zones", spent)
    with edgeattr.load() as model, open_detector("auto") as detector:
        began = time.process_time()
        crowd, in_order = _Crowd(detector, options.people), PipelineOptions(workers=1)
        with Pipeline(model, crowd, options=in_order) as run:  # type: ignore[arg-type]
            run.add(options.video, zones=_ZONES, lines=_LINES)
            run.wait()
            (summary,) = run.summaries()
        spent["whole run"] = time.process_time() - began
    crops = summary.crops_classified
    print(f"{device_name()}; {summary.frames} frames, {summary.people} people, {crops} crops read")
    for name, seconds in spent.items():
        print(f"{name}: {1000 * seconds / summary.frames:.2f} ms of processor time a frame")
    share = (spent["tracking"] + spent["zones"]) / spent["whole run"]
    print(f"tracking and zones: {100 * share:.1f} % of the run")


def _time_calls(kind: Any, name: str, spent: Counter[str]) -> None:
    update = kind.update

    def timed(*arguments: Any) -> Any:
        began = time.thread_time()
        try:
            return update(*arguments)
        finally:
            spent[name] += time.thread_time() - began

    kind.update = timed


if __name__ == "__main__":
    main()
