from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edgeattr
from edgeattr.crops import Image
from edgeattr.video.detect import Detections, MotionDetector
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.source import VideoSource


class _Lines:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def write(self, event: dict[str, Any]) -> None:
        self.events.append(event)


class _Count:
    frames = 0

    def write(self, image: Image) -> None:
        self.frames += 1


@pytest.fixture
def model() -> Iterator[edgeattr.AttributeModel]:
    with edgeattr.load() as loaded:
        yield loaded


def test_one_record_for_the_one_person(walking_video: Path, model: edgeattr.AttributeModel) -> None:
    lines, count = _Lines(), _Count()
    pipeline = Pipeline(model, MotionDetector(), events=[lines], frames=[count])
    with VideoSource(str(walking_video)) as source:
        summary = pipeline.run(source)
    person, last = lines.events
    assert (person["type"], person["track"]) == ("person", 1)
    assert 0.5 <= person["first_s"] < 1.5
    assert person["last_s"] > 3.5
    assert 0 < person["crops_classified"] < person["frames"]
    assert len(person["attributes"]) == 30
    assert {value["answer"] for value in person["attributes"].values()} <= {"yes", "no", "unknown"}
    assert last == summary.to_json()
    assert last["type"] == "summary"
    assert (last["frames"], last["people"], last["dropped_frames"]) == (40, 1, 0)
    assert last["seconds"] == pytest.approx(4.0)
    assert last["crops_seen"] == person["frames"]
    assert count.frames == 40


def test_stopping_early_still_gives_records_and_summary(
    walking_video: Path, model: edgeattr.AttributeModel
) -> None:
    lines = _Lines()
    with VideoSource(str(walking_video)) as source:
        summary = Pipeline(model, MotionDetector(), events=[lines]).run(source, max_frames=30)
    assert summary.frames == 30
    assert [event["type"] for event in lines.events] == ["person", "summary"]
    with VideoSource(str(walking_video)) as source:
        summary = Pipeline(model, MotionDetector()).run(
            source, report=lambda so_far, rate: so_far.frames < 7
        )
    assert summary.frames == 7


class _Failing(MotionDetector):
    def detect(self, image: Image) -> Detections:
        if self._seen >= 30:
            raise RuntimeError("the detector broke")
        return super().detect(image)


def test_a_failure_in_the_middle_loses_nothing_known(
    walking_video: Path, model: edgeattr.AttributeModel
) -> None:
    lines = _Lines()
    with VideoSource(str(walking_video)) as source, pytest.raises(RuntimeError, match="broke"):
        Pipeline(model, _Failing(), events=[lines]).run(source)
    assert [event["type"] for event in lines.events] == ["person", "summary"]
    assert lines.events[-1]["frames"] == 30
