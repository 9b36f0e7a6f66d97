"""As many people as there are in the shared videos, counted by eye, at any rate that can be."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgeattr
from edgeattr.video.detectors import open_detector
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources.file import VideoFileSource
from edgeattr.video.tracker import PersonTracker

_LEAST_SECONDS = 0.2  # as of a record


def _count(video: Path, every: int) -> int:
    """People told by the detector of the wheel and the tracker, looking at one frame of so many."""
    spans: dict[int, tuple[float, float]] = {}
    with open_detector("auto") as detector, VideoFileSource(str(video)) as source:  # type: ignore[attr-defined]
        tracker = PersonTracker(source.size)
        for frame in source.frames():
            if frame.index % every == 0:
                for person in tracker.update(
                    detector.detect(frame.image), frame.seconds, frame.image
                ):
                    first = spans.get(person.track, (frame.seconds, 0.0))[0]
                    spans[person.track] = first, frame.seconds
    return sum(last - first >= _LEAST_SECONDS for first, last in spans.values())


@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("worker-zone-detection.gif", 1),
        ("face-demographics-walking.gif", 2),
        ("classroom.gif", 4),
    ],
)
def test_short_videos_at_every_third_frame(shared: Path, name: str, people: int) -> None:
    assert _count(shared / "videos" / name, 3) == people


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "people", "every"),
    [
        ("people-detection.264", 7, 1),
        ("people-detection.264", 7, 2),
        ("one-by-one-person-detection.mp4", 6, 1),
        ("one-by-one-person-detection.mp4", 6, 5),
        ("one-by-one-person-detection.mp4", 6, 10),
        ("car-detection.mp4", 0, 1),
    ],
)
def test_long_videos(shared: Path, name: str, people: int, every: int) -> None:
    assert _count(shared / "videos" / name, every) == people


def _records(video: Path) -> int:
    """Records of a whole run, which tells people apart by what they look like too."""
    with (
        edgeattr.load() as model,
        open_detector("auto") as detector,
        Pipeline(model, detector) as run,
    ):
        run.add(str(video))
        assert run.wait(600)
        return run.summaries()[0].people


@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("worker-zone-detection.gif", 1),
        ("face-demographics-walking.gif", 2),
        ("classroom.gif", 4),
        pytest.param("people-detection.264", 7, marks=pytest.mark.slow),
        pytest.param("one-by-one-person-detection.mp4", 6, marks=pytest.mark.slow),
    ],
)
def test_records_of_whole_runs(shared: Path, name: str, people: int) -> None:
    assert _records(shared / "videos" / name) == people
