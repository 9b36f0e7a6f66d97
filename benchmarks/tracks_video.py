"""What a schedule spares on videos, and how far its answers agree with classifying every crop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tracks_run import Crop, follow

import edgeattr
from edgeattr.core.posterior import TrackFusion
from edgeattr.video.schedule import Schedule, assess_crop, crop_of
from edgeattr.video.sources.file import VideoFileSource
from edgeattr.video.tracker import PersonTracker

_SHORTEST = 0.2  # seconds: what is shorter is taken for a false alarm


def print_videos(
    model: edgeattr.AttributeModel,
    fusion: TrackFusion,
    detector: Path | None,
    videos: Sequence[Path],
) -> None:
    """Print one row a video."""
    print("\n| video | persons | crops | classified | times fewer | same answer | unknown that is "
          "known with all, or the reverse | yes for no, or the reverse | unknown |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for path in videos:
        tracks = _tracks(model, detector, path)
        pairs, seen, taken = [], 0, 0
        for track in tracks:
            every, _ = follow(track, model.decision, fusion, None)
            some, _ = follow(track, model.decision, fusion, Schedule())
            seen, taken = seen + len(track), taken + some.crops
            known, found = every.answers(), some.answers()
            pairs += [(known[name].answer, value.answer) for name, value in found.items()]
        same = np.mean([a == b for a, b in pairs])
        part = np.mean([(a == "unknown") != (b == "unknown") for a, b in pairs])
        unknown = np.mean([b == "unknown" for _, b in pairs])
        print(
            f"| {path.name} | {len(tracks)} | {seen} | {taken} | {seen / taken:.1f} | "
            f"{100 * same:.1f} % | {100 * part:.1f} % | {100 * (1 - same - part):.1f} % | "
            f"{100 * unknown:.1f} % |"
        )


def _tracks(
    model: edgeattr.AttributeModel, detector: Path | None, path: Path
) -> list[list[tuple[float, Crop]]]:
    """Every crop of every person, classified."""
    from edgeattr.video.detectors import open_detector

    finder, tracker = open_detector(detector or "auto"), PersonTracker()
    tracks: dict[int, list[tuple[float, Crop]]] = {}
    with VideoFileSource(str(path)) as source:
        for frame in source.frames():
            people = tracker.update(finder.detect(frame.image), frame.seconds)
            rows = model.logits([crop_of(frame.image, person.box) for person in people])
            for person, row in zip(people, rows, strict=True):
                crop = Crop(assess_crop(frame.image, person, people), row)
                _ = crop.assessment.quality, crop.assessment.view  # while the frame is at hand
                tracks.setdefault(person.track, []).append((frame.seconds, crop))
    return [track for track in tracks.values() if track[-1][0] - track[0][0] >= _SHORTEST]
