"""The person detector beside YOLOX-nano: boxes on a MOT folder, silence, frames a second.

    python benchmarks/person_detector.py --shared ../shared [--detector person] [--every 1]

Both detectors see every frame in turns, on one thread. Processor time is told beside wall time: it
holds on a busy machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from edgeattr.core.detection_bundle import PERSON_SCORE
from edgeattr.video.detectors import Detector, open_detector
from edgeattr_convert.detection_accuracy import LEAST_SCORE, measure_detector
from edgeattr_train.data.boxes import open_boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--detector", default="person")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--every", type=int, default=10, help="of the silent videos' frames")
    parser.add_argument("--turns", type=int, default=60)
    options = parser.parse_args()
    yolox = options.shared / "models" / "detectors" / "yolox_nano.onnx"
    both = [
        open_detector(name, engine=options.engine, threads=1, min_score=LEAST_SCORE)
        for name in (options.detector, yolox)
    ]
    for detector in both:
        data = open_boxes(f"mot:{options.shared / 'mot'}")
        scores = measure_detector(detector, data, PERSON_SCORE).scores
        print(
            f"{detector.name}: AP50 {scores.ap50:.1f}, recall {scores.recall:.1f}, precision "
            f"{scores.precision:.1f} from score {PERSON_SCORE}",
            flush=True,
        )
        for name in ("car-detection", "bottle-detection"):
            found = silence(detector, options.shared / "videos" / f"{name}.mp4", options.every)
            print(f"{detector.name}, {name}: boxes in {found[0]} of {found[1]} frames", flush=True)
    speed(both, options.turns)


def silence(detector: Detector, path: Path, every: int) -> tuple[int, int]:
    """Frames with a box of a person's score, and frames looked at."""
    reader, index, looked, hit = cv2.VideoCapture(str(path)), 0, 0, 0
    while reader.grab():
        if index % every == 0:
            frame = np.asarray(reader.retrieve()[1], np.uint8)
            looked += 1
            hit += bool((detector.detect(frame).scores >= PERSON_SCORE).any())
        index += 1
    return hit, looked


def speed(detectors: list[Detector], turns: int) -> None:
    """Frames of 16:9 in turns."""
    frame = np.random.default_rng(0).integers(0, 256, (432, 768, 3), np.uint8)
    wall: list[list[float]] = [[] for _ in detectors]
    busy: list[list[float]] = [[] for _ in detectors]
    for turn in range(turns + 3):
        for index, detector in enumerate(detectors):
            began, spent = time.perf_counter(), time.process_time()
            detector.detect(frame)
            if turn >= 3:
                wall[index].append(time.perf_counter() - began)
                busy[index].append(time.process_time() - spent)
    for index, detector in enumerate(detectors):
        print(
            f"{detector.name} on {detector.engine}: {1000 * statistics.median(wall[index]):.1f} ms "
            f"a frame, {1000 * statistics.median(busy[index]):.1f} ms of the processor"
        )
    ours, theirs = (statistics.median(times) for times in busy[:2])
    print(f"{theirs / ours:.2f} times as fast by processor time")


if __name__ == "__main__":
    main()
