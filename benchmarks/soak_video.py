"""Hours of video in minutes: memory, threads and descriptors of a site that runs and runs.

    python benchmarks/soak_video.py VIDEO... [--detector NAME|PATH] [--hours N] [--streams N]

Videos are looped, as many streams at once as asked for, with a store, an events file and metrics,
until so many hours of video went through in all. After a tenth of it memory counts as settled.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

import edgeattr
from edgeattr.cli.site_config import (
    EventsSection,
    MetricsSection,
    Site,
    SourceSection,
    StoreSection,
)
from edgeattr.cli.site_pipeline import SitePipeline
from edgeattr.video.detectors import open_detector
from edgeattr_runtimes.device import device_name, memory_of_process

_BETWEEN = 10.0  # seconds between two readings
_SETTLED = 0.1  # of the run


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--streams", type=int, default=4)
    arguments = parser.parse_args()
    print(device_name())
    with tempfile.TemporaryDirectory() as folder, edgeattr.load() as model:
        site = Site(
            sources=tuple(
                SourceSection(
                    address=str(arguments.videos[number % len(arguments.videos)]),
                    name=f"camera {number}",
                    loop=True,
                )
                for number in range(arguments.streams)
            ),
            store=StoreSection(path=Path(folder) / "people.sqlite"),
            events=EventsSection(path=Path(folder) / "people.jsonl", rotate_mb=1, keep=2),
            metrics=MetricsSection(port=0),
        )
        detector = open_detector(arguments.detector, threads=1)
        pipeline = SitePipeline(site, model, detector)
        try:
            _soak(pipeline, arguments.hours * 3600)
        finally:
            pipeline.close()
        failed = pipeline.failed
    raise SystemExit(1 if failed else 0)


def _soak(pipeline: SitePipeline, wanted: float) -> None:
    """Read what grows until so many seconds of video went through."""
    readings: list[tuple[float, float, int, int]] = []
    start, done = time.monotonic(), 0.0
    while done < wanted:
        pipeline.advance(_BETWEEN)
        status = pipeline.status()
        done = sum(stream.seconds for stream in status)
        memory = memory_of_process("VmRSS:") / 1024
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts itself alike
        readings.append((done, memory, threading.active_count(), descriptors))
        print(
            f"{time.monotonic() - start:6.0f} s: {done / 3600:.2f} h of video, "
            f"{sum(stream.frames for stream in status)} frames, "
            f"{sum(stream.people for stream in status)} people, "
            f"{memory:.1f} MiB, {readings[-1][2]} threads, {descriptors} descriptors",
            flush=True,
        )
    settled = [reading for reading in readings if reading[0] >= _SETTLED * done]
    first = settled[0]
    most = max(reading[1] for reading in settled)
    print(
        f"memory {first[1]:.1f} MiB when settled, {most:.1f} at most "
        f"({most / max(first[1], 1e-9) - 1:+.2%}), {settled[-1][1]:.1f} at the end; "
        f"threads {first[2]} to {settled[-1][2]}, descriptors {first[3]} to {settled[-1][3]}"
    )


if __name__ == "__main__":
    main()
