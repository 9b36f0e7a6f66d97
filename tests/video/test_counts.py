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

_PEOPLE = {  # by eye
    "worker-zone-detection.gif": 1,
    "face-demographics-walking.gif": 2,
    "classroom.gif": 4,
    "person-bicycle-car-detection.gif": 2,
    "people-detection.264": 7,  # one, two, three and one
    "one-by-one-person-detection.mp4": 6,
    "bottle-detection.mp4": 0,  # hands alone
    "car-detection.mp4": 0,
    "TUD-Stadtmitte.mp4": 10,
}
_MISSED = {  # walks out at the top in the first second, 30 pixels tall; found in two frames
    "person-bicycle-car-detection.gif": 1
}
_AGAIN = {  # a crowd: those whom others hide for seconds may be counted again
    "TUD-Stadtmitte.mp4": 2
}
_LONG = {
    "people-detection.264",
    "one-by-one-person-detection.mp4",
    "bottle-detection.mp4",
    "car-detection.mp4",
    "TUD-Stadtmitte.mp4",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(it, marks=pytest.mark.slow) if it in _LONG else it for it in _PEOPLE],
)
def test_as_many_records_as_people(shared: Path, name: str) -> None:
    with (
        edgeattr.load() as model,
        open_detector("auto") as detector,
        Pipeline(model, detector) as run,
    ):
        run.add(str(shared / ("mot" if name.startswith("TUD") else "videos") / name))
        assert run.wait(600)
        more = run.summaries()[0].people - (_PEOPLE[name] - _MISSED.get(name, 0))
        assert 0 <= more <= _AGAIN.get(name, 0)


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
    ("name", "every"),
    [
        ("worker-zone-detection.gif", 3),
        ("face-demographics-walking.gif", 3),
        ("classroom.gif", 3),
        pytest.param("people-detection.264", 2, marks=pytest.mark.slow),  # of 12 a second
        pytest.param("people-detection.264", 3, marks=pytest.mark.slow),
        pytest.param("one-by-one-person-detection.mp4", 5, marks=pytest.mark.slow),  # of 10
        pytest.param("one-by-one-person-detection.mp4", 10, marks=pytest.mark.slow),
    ],
)
def test_at_fewer_frames_a_second(shared: Path, name: str, every: int) -> None:
    assert _count(shared / "videos" / name, every) == _PEOPLE[name]
