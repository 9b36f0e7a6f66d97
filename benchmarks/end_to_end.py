"""Frames per second from file to records, beside what the parts cost alone: where the time goes.

    python benchmarks/end_to_end.py VIDEO... [--detector NAME|PATH] [--rounds N] [--json FILE]
    python benchmarks/end_to_end.py VIDEO --crowd CROWD.mp4 [--start SECONDS]

Each part is run alone over the same frames, and its processor time is taken: all threads of this
process, so that a part may use as many as it likes. The processor sets the bound: the time of all
parts over the number of cores. Rounds of parts and pipeline take turns. With --crowd a video is
made first and measured: nine of the picture side by side, five seconds of it, at 1280x720.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

import edgeattr
from edgeattr.core.limits import available_cores
from edgeattr.outputs import SegmentedVideo
from edgeattr.video.detectors import Detections, Detector, open_detector
from edgeattr.video.draw import PersonDrawing
from edgeattr.video.options import PipelineOptions
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources import Frame, SourceSpec, open_source
from edgeattr.video.track_manager import CropRequest, TrackManager
from edgeattr.video.tracker import PersonTracker, TrackedBox
from edgeattr_runtimes.device import device_name

_FRAMES = 300  # of each video
_CROWD_SECONDS = 5.0
_BATCH = 8  # crops a call of the model, as they come together in a run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--crowd", type=Path)
    parser.add_argument("--start", type=float, default=28.3)
    arguments = parser.parse_args()
    if arguments.crowd:
        _write_crowd(arguments.videos[0], arguments.crowd, arguments.start)
        arguments.videos = [arguments.crowd]
    cores = available_cores()
    results: list[dict[str, Any]] = []
    print(f"{device_name()}, {cores} cores")
    with edgeattr.load() as model:
        detector = open_detector(arguments.detector, threads=1)
        about = model.describe()
        print(f"model {about.precision} on {about.engine}; detector {detector.name}")
        for video in arguments.videos:
            rounds = [_round(video, model, detector) for _ in range(arguments.rounds)]
            results.append(_report(video, rounds, cores))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def _write_crowd(video: Path, target: Path, start: float) -> None:
    """Nine of each picture side by side, every other one mirrored."""
    with av.open(str(target), "w") as container, open_source(str(video)) as source:
        stream: Any = container.add_stream(
            "libx264", rate=round(source.rate), options={"crf": "18"}
        )
        stream.width, stream.height = 1280, 720
        for frame in source.frames():
            if start <= frame.seconds < start + _CROWD_SECONDS:
                image, mirrored = frame.image, frame.image[:, ::-1]
                rows = [
                    np.hstack(row) for row in ([image, mirrored, image], [mirrored, image, image])
                ]
                tiled = cv2.resize(
                    np.vstack([*rows, rows[0]]), (1280, 720), interpolation=cv2.INTER_AREA
                )
                container.mux(stream.encode(av.VideoFrame.from_ndarray(tiled, format="bgr24")))
        container.mux(stream.encode())


def _round(
    video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> dict[str, dict[str, float]]:
    """Processor seconds and wall seconds of each part and of the whole, per frame."""
    parts = _Parts(video, model, detector)
    steps: dict[str, Callable[[], None]] = {
        "decode": parts.decode,
        "detect": parts.detect,
        "track": parts.track,
        "schedule": parts.schedule,
        "classify": parts.classify,
        "draw": parts.draw,
        "encode": parts.encode,
        "pipeline": parts.pipeline,
    }
    result = {}
    for name, step in steps.items():
        wall, processor = time.perf_counter(), time.process_time()
        step()
        count = len(parts.frames)
        result[name] = {
            "processor": (time.process_time() - processor) / count,
            "wall": (time.perf_counter() - wall) / count,
        }
    return result


class _Parts:
    """What a run does, one thing after the other, over the same frames."""

    def __init__(self, video: Path, model: edgeattr.AttributeModel, detector: Detector) -> None:
        self._video, self._model, self._detector = video, model, detector
        self._source = open_source(str(video))
        self.frames: list[Frame] = []
        self._found: list[Detections] = []
        self._tracked: list[list[TrackedBox]] = []
        self._requests: list[list[CropRequest]] = []
        self._drawn: list[Any] = []

    def decode(self) -> None:
        """Read the frames; they are kept, which a run does not do."""
        for frame in self._source.frames():
            self.frames.append(frame)
            if len(self.frames) == _FRAMES:
                break
        self._source.close()

    def detect(self) -> None:
        """Look for people in each."""
        self._found = [self._detector.detect(frame.image) for frame in self.frames]

    def track(self) -> None:
        """Tell who is who."""
        tracker = PersonTracker()
        self._tracked = [
            tracker.update(found, frame.seconds)
            for frame, found in zip(self.frames, self._found, strict=True)
        ]

    def schedule(self) -> None:
        """Choose crops; the answers of the model are not known here, so none settles."""
        self._people = self._new_people()
        self._requests = [
            self._people.update(frame, tracked)
            for frame, tracked in zip(self.frames, self._tracked, strict=True)
        ]

    def classify(self) -> None:
        """Read as many crops as the pipeline did, or the schedule chose."""
        crops = [entry.crop for requests in self._requests for entry in requests]
        self.crops = len(crops)
        for start in range(0, len(crops), _BATCH):
            self._model.logits(crops[start : start + _BATCH])

    def draw(self) -> None:
        """Draw boxes and answers."""
        labels = ("red top", "backpack", "long hair", "black bottom")
        drawing = PersonDrawing()
        self._drawn = [
            drawing.draw(frame.image, [(person, labels) for person in tracked])
            for frame, tracked in zip(self.frames, self._tracked, strict=True)
        ]

    def encode(self) -> None:
        """Write the annotated frames as H.264."""
        with tempfile.TemporaryDirectory() as folder:
            video = SegmentedVideo(Path(folder) / "out.mp4")
            video.begin(self._source)
            for frame, image in zip(self.frames, self._drawn, strict=True):
                video.write_frame("video", image, frame.seconds)
            video.close()

    def pipeline(self) -> None:
        """All of it."""
        with (
            tempfile.TemporaryDirectory() as folder,
            Pipeline(self._model, self._detector) as pipeline,
        ):
            pipeline.add(
                SourceSpec(address=str(self._video)),
                outputs=[SegmentedVideo(Path(folder) / "out.mp4")],
                max_frames=len(self.frames),
            )
            pipeline.wait()

    def _new_people(self) -> TrackManager:
        return TrackManager(
            "benchmark",
            self._model.decision,
            fusion=self._model.bundle.track,
            schedule=PipelineOptions().schedule,
        )


def _report(video: Path, rounds: list[dict[str, dict[str, float]]], cores: int) -> dict[str, Any]:
    """Print a table, give its figures."""
    names = [name for name in rounds[0] if name != "pipeline"]
    medians = {
        name: statistics.median(entry[name]["processor"] for entry in rounds) for name in names
    }
    total = sum(medians.values())
    print(f"\n{video.name}, {_FRAMES} frames at most, {len(rounds)} rounds")
    for name in names:
        print(f"  {name:9} {1e3 * medians[name]:7.2f} ms/frame  {medians[name] / total:6.1%}")
    ratios = []
    for entry in rounds:
        bound = cores / sum(entry[name]["processor"] for name in names)
        ratios.append(1 / entry["pipeline"]["wall"] / bound)
    rate = statistics.median(1 / entry["pipeline"]["wall"] for entry in rounds)
    used = statistics.median(
        entry["pipeline"]["processor"] / entry["pipeline"]["wall"] for entry in rounds
    )
    print(f"  all parts {1e3 * total:7.2f} ms/frame: at most {cores / total:.1f} frames/s")
    print(
        f"  pipeline  {rate:.1f} frames/s, {statistics.median(ratios):.2f} of the bound "
        f"({min(ratios):.2f} to {max(ratios):.2f}), {used:.2f} cores used"
    )
    return {
        "video": video.name,
        "milliseconds": {name: 1e3 * value for name, value in medians.items()},
        "bound": cores / total,
        "pipeline": rate,
        "ratios": ratios,
    }


if __name__ == "__main__":
    main()
