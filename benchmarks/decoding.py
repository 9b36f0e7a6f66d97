"""Our decoder against OpenCV's on video files: frames per second and processor time a frame.

Both give BGR; in turns, so that a noisy machine disturbs both alike.

python benchmarks/decoding.py VIDEO... [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from edgeattr.video.sources.file import VideoFileSource
from edgeattr_runtimes.device import device_name


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(device_name())
    ways: dict[str, Callable[[Path], Iterator[object]]] = {
        "OpenCV": _opencv,
        "edgeattr (PyAV)": _ours,
    }
    for video in arguments.videos:
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                wall, processor = time.perf_counter(), time.process_time()
                frames = sum(1 for _ in way(video))
                wall, processor = time.perf_counter() - wall, time.process_time() - processor
                costs[name].append((wall / frames, processor / frames))
        print(video.name)
        for name, values in costs.items():
            wall, processor = (statistics.median(column) for column in zip(*values, strict=True))
            print(f"  {name:16} {1 / wall:6.0f} frames/s, {1e3 * processor:.2f} ms/frame")


def _opencv(video: Path) -> Iterator[object]:
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    while True:
        ok, image = capture.read()
        if not ok:
            capture.release()
            return
        yield image


def _ours(video: Path) -> Iterator[object]:
    with VideoFileSource(str(video)) as source:
        yield from source.frames()


if __name__ == "__main__":
    main()
