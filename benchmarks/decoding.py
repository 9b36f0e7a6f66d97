"""OpenCV against PyAV on video files: frames per second and processor time a frame, in turns.

python benchmarks/decoding.py VIDEO... [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2

from edgeattr_runtimes.device import device_name


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(device_name())
    ways: dict[str, Callable[[Path], int]] = {
        "OpenCV": _opencv,
        "PyAV, converted by FFmpeg": _pyav,
        "PyAV, converted by OpenCV": _pyav_opencv,
    }
    for video in arguments.videos:
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                wall, processor = time.perf_counter(), time.process_time()
                frames = way(video)
                costs[name].append(
                    (
                        (time.perf_counter() - wall) / frames,
                        (time.process_time() - processor) / frames,
                    )
                )
        print(video.name)
        for name, values in costs.items():
            wall, processor = (statistics.median(column) for column in zip(*values, strict=True))
            print(f"  {name:27} {1 / wall:6.0f} frames/s, {1e3 * processor:.2f} ms/frame")


def _opencv(video: Path) -> int:
    capture, count = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG), 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count


def _pyav(video: Path) -> int:
    with av.open(str(video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(len(frame.to_ndarray(format="bgr24")) > 0 for frame in container.decode(video=0))


def _pyav_opencv(video: Path) -> int:
    with av.open(str(video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(
            len(cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2BGR_I420)) > 0
            for frame in container.decode(video=0)
        )


if __name__ == "__main__":
    main()
