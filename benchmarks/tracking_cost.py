"""What tracking, joining and zones cost in a crowd of 30, beside detection in the same frames.

    python benchmarks/tracking_cost.py [--people 30] [--frames 200]

Processor time of the whole process, of frames of 768x432 in which people walk to and fro; the
detector of the wheel looks at the same frames. Decoding, attributes and outputs, which a run has
besides, would make the share smaller.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from edgeattr.video.detectors import Detections, open_detector
from edgeattr.video.tracker import PersonTracker
from edgeattr.video.zone_monitor import ZoneMonitor
from edgeattr.video.zones import Line, Zone
from edgeattr_runtimes.device import device_name

_SIZE = 768, 432
_RATE = 25.0
_ZONES = [
    Zone(name=f"zone {k}", points=((k / 3, 0.2), ((k + 1) / 3, 0.2), ((k + 1) / 3, 1), (k / 3, 1)))
    for k in range(3)
]
_LINES = [Line(name=f"line {k}", points=((x, 0.0), (x, 1.0))) for k, x in enumerate((0.3, 0.6))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--frames", type=int, default=200)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (_SIZE[1], _SIZE[0], 3), np.uint8)
    start, pace = rng.uniform(0, 700, options.people), rng.uniform(-60, 60, options.people)
    tops = rng.uniform(0, 300, options.people)
    tracker, zones, spent = PersonTracker(_SIZE), ZoneMonitor(_ZONES, _LINES), {"track": 0.0}
    spent["zones"] = spent["detect"] = 0.0
    seen = 0
    with open_detector("auto") as detector:
        detector.detect(image)
        for index in range(options.frames):
            left = 350 - np.abs((start + pace * index / _RATE) % 1400 - 700) / 2 + 350
            boxes = np.stack((left, tops, left + 40, tops + 110), axis=1).astype(np.float32)
            found = Detections(boxes, np.full(len(boxes), 0.9, np.float32))
            began = time.process_time()
            people = tracker.update(found, index / _RATE, image)
            tracked = time.process_time()
            zones.update(index / _RATE, people, _SIZE)
            placed = time.process_time()
            detector.detect(image)
            spent["track"] += tracked - began
            spent["zones"] += placed - tracked
            spent["detect"] += time.process_time() - placed
            seen += len(people)
    print(f"{device_name()}; {seen / options.frames:.1f} people a frame")
    for name, seconds in spent.items():
        print(f"{name}: {1000 * seconds / options.frames:.2f} ms of processor time a frame")
    share = (spent["track"] + spent["zones"]) / sum(spent.values())
    print(f"tracking and zones: {100 * share:.1f} % of these")


if __name__ == "__main__":
    main()
