"""The person detector of the wheel beside YOLOX-nano, as it is downloaded: speed and accuracy.

    python benchmarks/detectors.py --data mot:../shared/mot \
        [--reference yolox_nano] [--detector NAME|PATH]... [--video VIDEO]

Frames/s of detection on frames of a 16:9 camera, resizing and suppression included, on one thread
and on two: each variant of each bundle on each engine, and each file, in turns with the reference,
which ONNX Runtime computes in float32. AP50, recall and precision at the score from which the
tracker believes in a person. Needs the extra openvino for its rows.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from common import interleaved

from edgeattr.core.crops import Image, evenly
from edgeattr.core.detection_bundle import PERSON_SCORE, DetectionBundle
from edgeattr.core.errors import EdgeAttrError
from edgeattr.core.hub import resolve_bundle
from edgeattr.video.detectors import Detector, open_detector
from edgeattr.video.sources.file import VideoFileSource
from edgeattr_convert.detection_accuracy import LEAST_SCORE, measure_detector
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.timing import median_interval
from edgeattr_train.data.boxes import open_boxes

_TIMED = 8  # frames a round
_ROUNDS = 25
_THREADS = (1, 2)
_WIDE = (1280, 720)  # pixels of a frame, width and height

Way = tuple[str, str, str]
"""Detector, engine, precision."""


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", metavar="mot:DIR|coco:DIR", required=True)
    parser.add_argument("--reference", default="yolox_nano", metavar="NAME|PATH")
    parser.add_argument("--detector", nargs="*", default=["person"], metavar="NAME|PATH")
    parser.add_argument("--video", help="whose frames are timed; those of the data if not given")
    parser.add_argument("--runtime", nargs="*", default=["onnxruntime", "openvino"])
    arguments = parser.parse_args()
    data = open_boxes(arguments.data)
    ways = [(arguments.reference, "onnxruntime", "auto"), *_ways(arguments)]
    accuracy = {}
    for way in ways:
        with _opened(way, 1) as detector:
            accuracy[way] = measure_detector(detector, data, PERSON_SCORE).to_json()
    frames = _frames(arguments.video, arguments.data)
    speeds = {threads: _speeds(ways, frames, threads) for threads in _THREADS}
    print(f"{device_name()}; {data.name}, {data.frames} images; {len(frames)} frames a round\n")
    print("| detector | engine | precision | AP50 | recall | precision of boxes |", end="")
    print(" frames/s, times the first's: 1 thread | 2 threads |")
    print("|---" * (6 + len(_THREADS)) + "|")
    for way in ways:
        name, engine, precision = way
        figures = [accuracy[way][key] for key in ("AP50", "recall", "box_precision")]
        timed = " | ".join(speeds[threads][way] for threads in _THREADS)
        known = "fp32" if precision == "auto" else precision
        print(
            f"| {Path(name).stem} | {engine} | {known} | "
            f"{' | '.join(map(str, figures))} | {timed} |"
        )


def _ways(arguments: argparse.Namespace) -> Iterator[Way]:
    """What can run here: a bundle's variants, each on the engines that take it, and files."""
    for name in arguments.detector:
        path = resolve_bundle(name)
        levels = {"auto"}
        if (path / "bundle.json").is_file():
            levels = {entry.precision for entry in DetectionBundle.read(path).variants.values()}
        for engine in arguments.runtime:
            for precision in sorted(levels):
                with contextlib.suppress(EdgeAttrError):  # it has no such variant
                    _opened((name, engine, precision), 1).close()
                    yield name, engine, precision


def _opened(way: Way, threads: int) -> Detector:
    name, engine, precision = way
    return open_detector(
        name, engine=engine, precision=precision, threads=threads, min_score=LEAST_SCORE
    )


def _frames(video: str | None, data: str) -> list[Image]:
    """Frames at the shape of a 16:9 camera's, evenly from all."""
    if video is None:
        images = [frame.image for frame in open_boxes(data).read()]
    else:
        with VideoFileSource(video) as source:
            images = [frame.image for frame in source.frames()]
    return [cv2.resize(images[index], _WIDE) for index in evenly(len(images), _TIMED)]


def _speeds(ways: list[Way], frames: list[Image], threads: int) -> dict[Way, str]:
    """Frames/s, and times the reference's with the 95 % interval, of all in turns."""
    detectors = {way: _opened(way, threads) for way in ways}
    runs: dict[Way, Callable[[], object]] = {
        way: partial(_detect_all, detector, frames) for way, detector in detectors.items()
    }
    seconds = {way: np.array(found) for way, found in interleaved(runs, rounds=_ROUNDS).items()}
    for detector in detectors.values():
        detector.close()
    told = {}
    for way, found in seconds.items():
        low, middle, high = median_interval(seconds[ways[0]] / found)
        rate = len(frames) / float(np.median(found))
        told[way] = f"{rate:.0f}, {middle:.2f} ({low:.2f} to {high:.2f})"
    return told


def _detect_all(detector: Detector, frames: list[Image]) -> None:
    for frame in frames:
        detector.detect(frame)


if __name__ == "__main__":
    main()
