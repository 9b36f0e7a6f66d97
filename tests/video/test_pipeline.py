import itertools
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeattr
from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError, OutputError, RuntimeFailure, UsageError
from edgeattr.core.prediction import TrackRecord
from edgeattr.outputs.tracks_file import TracksFile
from edgeattr.video.detectors import Detections, Detector
from edgeattr.video.options import PipelineOptions
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources import SourceSpec
from edgeattr.video.sources.file import VideoFileSource
from edgeattr.video.stream import Stream
from edgeattr.video.zones import Line, Zone

from ..waiting import until
from .fake_detector import FakeDetector
from .test_frame_reader import DrawnSource


class _Lines:
    name, promise = "lines", "kept in memory"

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []

    def write(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


class _Count:
    name, promise = "frames", "counted"
    frames = 0
    seconds = -1.0
    closed = False

    def write_frame(self, stream: str, image: Image, seconds: float) -> None:
        assert seconds > self.seconds
        self.frames, self.seconds = self.frames + 1, seconds

    def close(self) -> None:
        self.closed = True


def test_one_record_for_the_one_person(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    lines, count = _Lines(), _Count()
    with Pipeline(model, detector, outputs=[lines]) as pipeline:
        assert pipeline.add(str(walking_video), outputs=[count]) == str(walking_video)
        assert pipeline.wait(60)
        (summary,) = pipeline.summaries()
        (status,) = pipeline.status()
    person, last = lines.events
    assert (person["type"], person["track"]) == ("person", 1)
    assert 0.5 <= person["first_s"] < 1.5
    assert person["last_s"] > 3.5
    assert 0 < person["crops_classified"] <= person["frames"]
    reported = model.bundle.schema.reported(include_sensitive=False)
    assert len(person["attributes"]) == len(reported)
    assert {value["answer"] for value in person["attributes"].values()} <= {"yes", "no", "unknown"}
    said_yes = {name for name, value in person["attributes"].items() if value["answer"] == "yes"}
    assert len(person["labels"]) <= len(said_yes)
    assert len(person["id"]) == 36
    assert "time" not in person
    assert last == summary.to_json()
    assert last["type"] == "summary"
    assert (last["frames"], last["people"], last["dropped_frames"]) == (40, 1, 0)
    assert last["seconds"] == pytest.approx(4.0)
    assert last["crops_seen"] == person["frames"]
    assert (count.frames, count.closed) == (40, True)
    assert (status.state, status.frames_in, status.frames_waiting) == ("ended", 40, 0)


def test_zones_lines_and_tracks_of_a_stream(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector, tmp_path: Path
) -> None:
    """Somebody walks through the picture: over a line in its middle, into the zone on one side."""
    lines, tracks = _Lines(), TracksFile(tmp_path / "tracks.csv")
    often = PipelineOptions(updates_every=0.5)
    right = Zone(name="right", points=((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
    middle = Line(name="middle", points=((0.5, 0.0), (0.5, 1.0)))
    with Pipeline(model, detector, outputs=[lines], options=often) as pipeline:
        pipeline.add(str(walking_video), outputs=[tracks], zones=[right], lines=[middle])
        assert pipeline.wait(60)
        (summary,) = pipeline.summaries()
    (person,) = lines.of("person")
    (crossing,) = lines.of("line")
    entered, left = lines.of("zone")
    assert crossing["track"] == entered["track"] == person["track"]
    assert {entered["event"], left["event"]} == {"entered", "left"}
    assert crossing["time_s"] in (
        pytest.approx(entered["time_s"], abs=0.15), pytest.approx(left["time_s"], abs=0.15)
    )  # fmt: skip
    assert person["zones"] == {"right": left["dwell_s"]}
    assert 0 < lines.of("update")[-1]["zones"]["right"] <= left["dwell_s"]
    assert summary.zones == {"right": 1}
    yes = {name: 1 for name, it in person["attributes"].items() if it["answer"] == "yes"}
    assert yes
    assert summary.zone_attributes == {"right": yes}
    assert sum(summary.lines["middle"].values()) == 1
    rows = (tmp_path / "tracks.csv").read_text().splitlines()
    assert len(rows) == person["frames"]
    assert {row.split(",")[1] for row in rows} == {str(person["track"])}


def test_streams_at_once_give_what_each_gives_alone(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    records = []
    for streams in (1, 4):
        lines = _Lines()
        with Pipeline(model, detector, outputs=[lines]) as pipeline:
            for number in range(streams):
                pipeline.add(SourceSpec(address=str(walking_video), name=f"camera {number}"))
            assert pipeline.wait(60)
        assert len(lines.of("summary")) == streams
        records += [
            {key: value for key, value in person.items() if key not in ("id", "stream")}
            for person in lines.of("person")
        ]
    assert len(records) == 5
    assert all(record == records[0] for record in records)


def test_stopping_early_still_gives_records_and_summary(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    lines, before = _Lines(), set(threading.enumerate())
    with Pipeline(model, detector, outputs=[lines]) as pipeline:
        pipeline.add(str(walking_video), max_frames=30)
        assert set(threading.enumerate()) - before
        assert pipeline.wait(60)
        assert pipeline.summaries()[0].frames == 30
    assert [event["type"] for event in lines.events] == ["person", "summary"]
    assert "error" not in lines.events[-1]
    until(lambda: set(threading.enumerate()) <= before)


def test_an_endless_stream_is_stopped_and_its_frames_add_up(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    lines = _Lines()
    spec = SourceSpec(address=str(walking_video), name="loop", loop=True)
    with Pipeline(model, detector, outputs=[lines]) as pipeline:
        pipeline.add(spec)
        until(lambda: pipeline.status()[0].frames >= 60)
        pipeline.stop()
        assert pipeline.wait(10)
        (status,) = pipeline.status()
    assert status.frames >= 60
    assert status.frames_in == status.frames + status.dropped_frames
    assert lines.of("person")
    assert lines.events[-1]["frames"] == status.frames


class _Failing(FakeDetector):
    """Another detector, some of whose calls fail."""

    def __init__(self, detector: Detector, at: int, times: int = 1000) -> None:
        self._detector, self._at, self._times = detector, at, times
        self._calls = itertools.count(1)

    def detect(self, image: Image) -> Detections:
        if self._at < next(self._calls) <= self._at + self._times:
            raise RuntimeError("the detector broke")
        return self._detector.detect(image)


def test_a_failure_in_the_middle_of_a_file_loses_nothing_known(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    lines = _Lines()
    with Pipeline(model, _Failing(detector, 30), outputs=[lines]) as pipeline:
        pipeline.add(str(walking_video))
        assert pipeline.wait(60)
        statuses = pipeline.status()
        assert statuses[0].state == "failed"
    assert [event["type"] for event in lines.events] == ["person", "summary"]
    assert lines.events[-1]["error"] == "the detector broke"
    (status,) = statuses
    assert status.frames_in == status.frames + status.dropped_frames


def test_a_live_stream_goes_on_after_frames_that_fail(model: edgeattr.AttributeModel) -> None:
    lines = _Lines()
    with Pipeline(model, _Failing(FakeDetector(), 3, times=2), outputs=[lines]) as pipeline:
        pipeline.add(DrawnSource(30, live=True, pause=0.02))
        assert pipeline.wait(60)
        (status,) = pipeline.status()
    assert status.state == "ended"
    assert status.frames > 5
    assert status.frames + status.dropped_frames == 30
    assert "error" not in lines.events[-1]


def test_a_live_stream_whose_every_frame_fails_does_not_run(model: edgeattr.AttributeModel) -> None:
    with Pipeline(model, _Failing(FakeDetector(), 3)) as pipeline:
        pipeline.add(DrawnSource(1000, live=True, pause=0.02))
        until(lambda: pipeline.status()[0].state == "stalled")
        assert "the detector broke" in (pipeline.status()[0].error or "")


class _Hanging(FakeDetector):
    def __init__(self, go: threading.Event) -> None:
        self._go = go

    def detect(self, image: Image) -> Detections:
        self._go.wait(30)
        return super().detect(image)


def test_a_stream_that_hangs_says_so(
    model: edgeattr.AttributeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stream, "stuck_s", 0.3)
    go = threading.Event()
    with Pipeline(model, _Hanging(go)) as pipeline:
        pipeline.add(DrawnSource(1000, live=True, pause=0.01))
        until(lambda: pipeline.is_stuck)
        (status,) = pipeline.status()
        assert status.state == "stalled"
        assert "hangs" in (status.error or "")
        go.set()


class _FullDisk(_Count):
    def write_frame(self, stream: str, image: Image, seconds: float) -> None:
        super().write_frame(stream, image, seconds)
        if self.frames == 5:
            raise OutputError("the disk is full")


def test_a_live_stream_goes_on_without_a_video_that_cannot_be_written(
    model: edgeattr.AttributeModel, detector: Detector
) -> None:
    full, good = _FullDisk(), _Count()
    with Pipeline(model, detector) as pipeline:
        pipeline.add(DrawnSource(20, live=True, pause=0.02), outputs=[full, good])
        assert pipeline.wait(60)
        (summary,) = pipeline.summaries()
    assert (full.frames, full.closed) == (5, True)
    assert good.frames == summary.frames
    assert good.closed
    assert summary.error == "the disk is full"


def test_a_file_stops_where_its_video_cannot_be_written(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    lines = _Lines()
    with Pipeline(model, detector, outputs=[lines]) as pipeline:
        pipeline.add(str(walking_video), outputs=[_FullDisk()])
        assert pipeline.wait(60)
        (status,) = pipeline.status()
    assert status.state == "failed"
    assert status.frames == 5
    assert lines.events[-1]["error"] == "the disk is full"


class _Broken:
    name, promise = "broken", "everything"

    def write(self, event: Mapping[str, Any]) -> None:
        raise OutputError("the disk is full")


def test_an_output_that_fails_costs_the_others_nothing_and_is_in_the_summary(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    lines = _Lines()
    with Pipeline(model, detector, outputs=[_Broken(), lines]) as pipeline:
        pipeline.add(str(walking_video))
        assert pipeline.wait(60)
        assert [output.failures for output in pipeline.outputs] == [2, 0]
        assert pipeline.lost == 2
    assert [event["type"] for event in lines.events] == ["person", "summary"]
    assert lines.events[-1]["error"] == "the disk is full"


class _Crops:
    name, promise, field = "crops", "kept in memory", "crop"

    def __init__(self) -> None:
        self.kept: list[tuple[str, tuple[int, ...]]] = []

    def keep(self, record: TrackRecord, crop: Image, *, live: bool) -> Future[str]:
        self.kept.append((record.id, crop.shape))
        path: Future[str] = Future()
        path.set_result(f"crops/{record.id}.jpg")
        return path


def test_updates_of_who_is_still_there_and_their_best_crop(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    lines, crops = _Lines(), _Crops()
    options = PipelineOptions(updates_every=1.0)
    outputs = [crops, lines]
    with Pipeline(model, detector, outputs=outputs, options=options) as pipeline:
        pipeline.add(str(walking_video))
        assert pipeline.wait(60)
    (person,) = lines.of("person")
    updates = lines.of("update")
    assert len(updates) >= 2
    assert {update["id"] for update in updates} == {person["id"]}
    assert [update["last_s"] for update in updates] == sorted(u["last_s"] for u in updates)
    ((identity, shape),) = crops.kept
    assert person["crop"] == f"crops/{identity}.jpg"
    assert shape[0] > shape[1] > 10


@pytest.mark.parametrize("every", [1, 3])
def test_detections_are_made_as_often_as_asked(
    walking_video: Path, model: edgeattr.AttributeModel, every: int
) -> None:
    calls = []

    class _Counting(FakeDetector):
        def detect(self, image: Image) -> Detections:
            calls.append(image.shape)
            return super().detect(image)

    options = PipelineOptions(detect_every=every)
    with Pipeline(model, _Counting(), options=options) as pipeline:
        pipeline.add(str(walking_video))
        assert pipeline.wait(60)
        assert pipeline.summaries()[0].frames == 40
    assert len(calls) == -(-40 // every)


def test_one_worker_looks_at_one_frame_after_another(
    walking_video: Path, model: edgeattr.AttributeModel
) -> None:
    """What a detector that must see frames in order needs."""
    calls: list[Image] = []

    class _InOrder(FakeDetector):
        alone = threading.Lock()

        def detect(self, image: Image) -> Detections:
            assert self.alone.acquire(blocking=False), "two calls at once"
            calls.append(image)
            time.sleep(0.002 * (len(calls) % 3))
            self.alone.release()
            return super().detect(image)

    with Pipeline(model, _InOrder(), options=PipelineOptions(workers=1)) as pipeline:
        pipeline.add(str(walking_video))
        assert pipeline.wait(60)
        assert pipeline.status()[0].state == "ended"
    with VideoFileSource(str(walking_video)) as source:
        frames = [frame.image for frame in source.frames()]
    assert len(calls) == len(frames)
    assert all(map(np.array_equal, calls, frames))


def test_names_and_ends(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    pipeline = Pipeline(model, detector)
    with pytest.raises(InputError, match="no such file"):
        pipeline.add("none.mp4")
    pipeline.add(SourceSpec(address=str(walking_video), name="a"))
    with pytest.raises(UsageError, match="two streams called 'a'"):
        pipeline.add(SourceSpec(address=str(walking_video), name="a"))
    with pytest.raises(UsageError, match="no stream called 'b'; there are: a"):
        pipeline.remove("b")
    pipeline.remove("a")
    assert pipeline.status() == []
    pipeline.close()
    pipeline.close()
    with pytest.raises(RuntimeFailure, match="was closed"):
        pipeline.add(str(walking_video))
