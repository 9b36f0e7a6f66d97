"""Attributes as labels in a pipeline of Roboflow's supervision: an annotated video.

    pip install edgeattr supervision trackers
    python examples/supervision_annotate.py camera.mp4 annotated.mp4 [--detector NAME|PATH]

`find_people` is the place for your own detector: whatever gives sv.Detections will do, such as
sv.Detections.from_inference or from_transformers. Each person is classified in a few frames only,
and what these say is put together, so labels settle instead of flickering.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import edgeattr
from edgeattr.core.errors import OutputError
from edgeattr.core.posterior import TrackPosterior
from edgeattr.video.detectors import Detector, open_detector

try:
    import supervision as sv
    from trackers import ByteTrackTracker
except ImportError as error:
    sys.exit(f"{error}; this example needs: pip install supervision trackers")

_EVERY = 5  # frames from one look at a person's attributes to the next


def find_people(detector: Detector, frame: npt.NDArray[np.uint8]) -> sv.Detections:
    """People in a frame; put your own detector here."""
    found = detector.detect(frame)
    return sv.Detections(xyxy=found.boxes, confidence=found.scores)


class Labels:
    """What is known of each person so far, as text."""

    def __init__(self, model: edgeattr.AttributeModel) -> None:
        self._model = model
        self._known: dict[int, TrackPosterior] = {}  # by number of the tracker

    def look(self, frame: npt.NDArray[np.uint8], people: sv.Detections) -> None:
        """Classify the people of one frame, all in one batch."""
        boxes = people.xyxy.round().astype(int).clip(0)
        crops = [frame[top:bottom, left:right] for left, top, right, bottom in boxes]
        seen = [index for index, crop in enumerate(crops) if crop.size]
        rows = self._model.logits([crops[index] for index in seen])
        for index, row in zip(seen, rows, strict=True):
            fresh = TrackPosterior(self._model.decision, self._model.bundle.track)
            known = self._known.setdefault(int(people.tracker_id[index]), fresh)
            known.add(row, quality=1.0)

    def of(self, people: sv.Detections) -> list[str]:
        """A label for each person."""
        labels = []
        for number in people.tracker_id:
            known = self._known.get(int(number))
            answers = known.answers() if known else {}
            present = [name for name, value in answers.items() if value.answer == "yes"]
            labels.append(f"#{number} " + ", ".join(present))
        return labels


def annotate(source: Path, target: Path, model: edgeattr.AttributeModel, finder: Detector) -> int:
    """Write the annotated video and give how many people were followed."""
    info = sv.VideoInfo.from_video_path(str(source))
    tracker, labels = ByteTrackTracker(frame_rate=info.fps), Labels(model)
    box = sv.BoxAnnotator(color_lookup=sv.ColorLookup.TRACK)
    text = sv.LabelAnnotator(
        color_lookup=sv.ColorLookup.TRACK, text_scale=0.4, text_padding=4, smart_position=True
    )
    numbers: set[int] = set()
    with contextlib.ExitStack() as opened:
        try:
            sink = opened.enter_context(sv.VideoSink(str(target), info))
        except RuntimeError as error:  # it does not tell why
            raise OutputError(
                f"{target}: no video can be written there; expected a folder that exists and may "
                "be written to, and a name that ends in .mp4"
            ) from error
        for index, frame in enumerate(sv.get_video_frames_generator(str(source))):
            people = tracker.update(find_people(finder, frame))
            if people.tracker_id is None:  # there is nobody
                sink.write_frame(frame)
                continue
            people = people[people.tracker_id >= 0]  # those that are not sure yet have -1
            if index % _EVERY == 0:
                labels.look(frame, people)
            numbers.update(people.tracker_id.tolist())
            picture = box.annotate(frame.copy(), people)
            sink.write_frame(text.annotate(picture, people, labels.of(people)))
    return len(numbers)


def main() -> None:
    """Annotate a video."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--detector", default="auto", help="NAME or PATH")
    arguments = parser.parse_args()
    if not arguments.source.is_file():
        parser.error(f"{arguments.source} is no file")
    if arguments.target.exists() and arguments.target.samefile(arguments.source):
        parser.error(f"{arguments.target} is the video itself; choose another target")
    if not cv2.VideoCapture(str(arguments.source)).isOpened():
        parser.error(f"{arguments.source} is no video that OpenCV can decode")
    try:
        with edgeattr.load() as model:
            finder = open_detector(arguments.detector)
            count = annotate(arguments.source, arguments.target, model, finder)
    except edgeattr.EdgeAttrError as error:
        sys.exit(f"supervision_annotate: {error}")
    print(f"{arguments.target}: {count} {'person' if count == 1 else 'people'}")


if __name__ == "__main__":
    main()
