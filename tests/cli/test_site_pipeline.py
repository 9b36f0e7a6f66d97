import json
import os
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

import edgeattr
from edgeattr.cli.site_config import (
    CropsSection,
    EventsSection,
    EvidenceSection,
    MetricsSection,
    MqttSection,
    PrivacySection,
    Site,
    SourceSection,
    StoreSection,
)
from edgeattr.cli.site_pipeline import SitePipeline
from edgeattr.core.errors import OutputError
from edgeattr.search.store import PeopleReader
from edgeattr.video.detectors import Detector
from edgeattr.video.options import PipelineOptions
from edgeattr.video.zones import Zone

from ..outputs.mqtt_broker import Broker, Subscriber
from ..waiting import until


def _finish(pipeline: SitePipeline) -> None:
    for _ in range(600):
        if pipeline.advance(0.1):
            return
    raise AssertionError("not in time")


def test_many_files_run_a_few_at_once_and_a_bad_one_costs_the_others_nothing(
    walking_video: Path, tmp_path: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    names = [f"file {number}" for number in range(5)]
    site = Site(
        sources=(
            *(SourceSection(address=str(walking_video), name=name) for name in names),
            SourceSection(address=str(bad)),
        ),
        pipeline=PipelineOptions(workers=2),
        events=EventsSection(path=tmp_path / "people.jsonl"),
        store=StoreSection(path=tmp_path / "people.sqlite"),
    )
    pipeline = SitePipeline(site, model, detector)
    running = [status for status in pipeline.status() if status.state not in ("ended", "failed")]
    assert len(running) <= 2
    _finish(pipeline)
    pipeline.close()
    assert list(pipeline.failures) == [str(bad)]
    events = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
    summaries = {event["stream"]: event for event in events if event["type"] == "summary"}
    assert set(summaries) == {*names, str(bad)}
    assert "not a video" in summaries[str(bad)]["error"]
    people = [event for event in events if event["type"] == "person"]
    assert sorted(person["stream"] for person in people) == names
    with PeopleReader(tmp_path / "people.sqlite") as reader:
        assert {event["id"] for event in reader.find()} == {person["id"] for person in people}


def test_a_source_that_cannot_be_opened_on_reload_costs_the_others_nothing(
    walking_video: Path, tmp_path: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    good = SourceSection(address=str(walking_video), name="good", loop=True)
    site = Site(
        sources=(good,),
        pipeline=PipelineOptions(workers=2),  # files at once, however many cores there are
        events=EventsSection(path=tmp_path / "people.jsonl"),
    )
    pipeline = SitePipeline(site, model, detector)
    try:
        for address in ("x" * 300, str(tmp_path), str(tmp_path / "none.mp4")):
            bad = SourceSection(address=address, name="bad")
            pipeline.reload(replace(site, sources=(good, bad)))
            assert [status.stream for status in pipeline.status()] == ["good"]
            assert pipeline.status()[0].state == "running"
            assert list(pipeline.failures) == ["bad"]
    finally:
        pipeline.close()


def test_home_assistant_is_told_of_what_a_reload_brings(
    walking_video: Path,
    tmp_path: Path,
    model: edgeattr.AttributeModel,
    detector: Detector,
    broker: Broker,
) -> None:
    pytest.importorskip("paho.mqtt.client")
    broker.start()
    subscriber = Subscriber(broker.port, "homeassistant/#")

    def announced() -> set[str]:
        return {json.loads(text)["name"] for _, text in list(subscriber.messages) if text}

    url = f"mqtt://127.0.0.1:{broker.port}"
    walk = SourceSection(address=str(walking_video), name="walk", loop=True)
    mqtt = MqttSection(url=url, home_assistant=True, spool=tmp_path / "spool")
    site = Site(sources=(walk,), mqtt=mqtt)
    with SitePipeline(site, model, detector) as pipeline:
        until(lambda: announced() == {"People in view", "People seen"})
        left = Zone(name="left", points=((0, 0), (0.5, 0), (0.5, 1)))
        pipeline.reload(replace(site, sources=(replace(walk, zones=(left,)),)))
        until(lambda: "People in left" in announced())
    subscriber.close()


def test_what_touches_privacy_leaves_a_line(
    walking_video: Path, tmp_path: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    site = Site(
        sources=(SourceSection(address=str(walking_video), output=tmp_path / "walk.mp4"),),
        events=EventsSection(path=tmp_path / "people.jsonl"),
        crops=CropsSection(path=tmp_path / "crops", retention_days=1),
        evidence=EvidenceSection(path=tmp_path / "evidence", retention_days=1),
        privacy=PrivacySection(audit=tmp_path / "audit.jsonl", include_sensitive=True),
    )
    (tmp_path / "evidence").mkdir()
    old = tmp_path / "evidence" / "0eff7092-1eac-4550-994f-73d016ff069b.explain.html"
    old.write_bytes(b"of long ago")
    os.utime(old, (1e9, 1e9))
    pipeline = SitePipeline(site, model, detector)
    _finish(pipeline)
    pipeline.close()
    assert not pipeline.failed
    acts = [json.loads(line)["act"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert acts == [
        "sensitive attributes are reported",
        "crops of people are kept",
        "pages that explain answers are kept",
        "an annotated video is being written",
        "pictures past their retention are deleted",
        "an annotated video is complete",
    ]
    person = json.loads((tmp_path / "people.jsonl").read_text().splitlines()[0])
    assert Path(person["crop"]).parent == tmp_path / "crops"
    assert Path(person["crop"]).exists()
    assert [Path(person["evidence"])] == list((tmp_path / "evidence").iterdir())
    assert Path(person["evidence"]).name == f"{person['id']}.explain.html"
    assert (tmp_path / "walk.mp4").exists()


def test_metrics_and_health_of_a_run(
    walking_video: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    site = Site(
        sources=(SourceSection(address=str(walking_video), name="walk", loop=True),),
        metrics=MetricsSection(port=0),
    )
    pipeline = SitePipeline(site, model, detector)
    try:
        address = pipeline.metrics_address
        with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
            assert 'stream="walk"' in answer.read().decode()
    finally:
        pipeline.close()


def test_nothing_is_left_open_where_one_result_cannot_be_written(
    walking_video: Path, tmp_path: Path, model: edgeattr.AttributeModel, detector: Detector
) -> None:
    (tmp_path / "file").write_text("in the way")
    site = Site(
        sources=(SourceSection(address=str(walking_video)),),
        store=StoreSection(path=tmp_path / "people.sqlite"),
        events=EventsSection(path=tmp_path / "file" / "people.jsonl"),
    )
    with pytest.raises(OutputError, match="cannot be written"):
        SitePipeline(site, model, detector)
    other = replace(site, events=None)
    pipeline = SitePipeline(other, model, detector)  # the store was closed, and opens again
    _finish(pipeline)
    pipeline.close()
    pipeline.close()
