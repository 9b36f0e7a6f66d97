"""Detectors and engines beside each other on real videos: speed, in turns, and what they find.

    python benchmarks/detectors.py VIDEO... --detector NAME|PATH [--detector ...]

The first detector is the one that the others' people are compared with.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import interleaved

from edgeattr.core.crops import Image, evenly
from edgeattr.video.detectors import Detections, Detector, open_detector
from edgeattr.video.sources.file import VideoFileSource
from edgeattr_runtimes.device import available_cores, device_name
from edgeattr_runtimes.timing import median_interval

_TIMED = 8  # frames a round
_ROUNDS = 15
_SURE = 0.45  # score from which a detection may start a track
_SAME = 0.5  # intersection over union of two boxes around one person


def main() -> None:
    """Print two tables: speed, and agreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    parser.add_argument("--detector", action="append", required=True, metavar="NAME|PATH")
    parser.add_argument("--every", type=int, default=4, help="frames apart, for agreement")
    arguments = parser.parse_args()
    frames = [frame for video in arguments.videos for frame in _frames(video, arguments.every)]
    print(f"{device_name()}; {len(frames)} frames of {len(arguments.videos)} videos")
    _speed(arguments.detector, [frames[index] for index in evenly(len(frames), _TIMED)])
    _agreement(arguments.detector, frames)


def _frames(video: str, every: int) -> list[Image]:
    with VideoFileSource(video) as source:
        return [frame.image for frame in source.frames() if frame.index % every == 0]


def _speed(names: list[str], frames: list[Image]) -> None:
    cores = available_cores()
    runs: dict[tuple[str, ...], Callable[[], object]] = {}
    with ThreadPoolExecutor(cores) as pool:
        for name in names:
            for engine in _engines(name):
                for threads in sorted({1, cores}):
                    detector = open_detector(name, engine=engine, threads=threads)
                    key = (_label(name), engine)
                    runs[(*key, "1 thread" if threads == 1 else f"{threads} threads")] = (
                        _one_by_one(detector, frames)
                    )
                    if threads == 1:
                        runs[(*key, f"{cores} calls at once")] = _at_once(detector, frames, pool)
        seconds = interleaved(runs, rounds=_ROUNDS)
    print("\n| detector | engine | how | ms a frame | frames/s (95 % interval) |")
    print("|---|---|---|---|---|")
    for (name, engine, how), values in seconds.items():
        low, middle, high = median_interval(len(frames) / np.array(values))
        wait = 1000 * statistics.median(values) / len(frames)
        print(
            f"| {name} | {engine} | {how} | {wait:.1f} | {middle:.1f} ({low:.1f} to {high:.1f}) |"
        )


def _one_by_one(detector: Detector, frames: list[Image]) -> Callable[[], object]:
    return lambda: [detector.detect(frame) for frame in frames]


def _at_once(
    detector: Detector, frames: list[Image], pool: ThreadPoolExecutor
) -> Callable[[], object]:
    return lambda: list(pool.map(detector.detect, frames))


def _engines(name: str) -> list[str]:
    """Those that can run it."""
    is_ir = open_detector(name).engine == "openvino"
    return ["openvino"] if is_ir else ["onnxruntime", "openvino"]


def _label(name: str) -> str:
    """A file's name, with the precision that Open Model Zoo has in its folder's."""
    path = Path(name)
    folder = path if path.is_dir() else path.parent
    if not folder.name.startswith(("FP16", "FP32")):
        return path.stem
    return f"{folder.parent.name} {folder.name}"


def _agreement(names: list[str], frames: list[Image]) -> None:
    found = {}
    for name in names:
        with open_detector(name) as detector:
            found[name] = [detector.detect(frame) for frame in frames]
    first = found[names[0]]
    reference = _label(names[0])
    print(f"\n| detector | people a frame | of {reference}'s people | its own in {reference} |")
    print("|---|---|---|---|")
    for name, others in found.items():
        sure = sum(int((each.scores >= _SURE).sum()) for each in others)
        print(
            f"| {_label(name)} | {sure / len(frames):.3f} | {_share(first, others)} | "
            f"{_share(others, first)} |"
        )


def _share(people: list[Detections], others: list[Detections]) -> str:
    """How many of the sure ones the others have too, at any score."""
    hits = [
        bool((_overlaps(box, other.boxes) > _SAME).any())
        for each, other in zip(people, others, strict=True)
        for box in each.boxes[each.scores >= _SURE]
    ]
    return f"{sum(hits)}/{len(hits)}"


def _overlaps(
    box: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    both = np.clip(sides, 0, None).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return both / (areas - both)


if __name__ == "__main__":
    main()
