"""Metrics and health over real HTTP, read by Prometheus's own parser."""

from __future__ import annotations

import dataclasses
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.outputs import EventsFile, MetricsServer
from edgeattr.video.output import FailsafeOutput
from edgeattr.video.status import StreamStatus

from .mqtt_broker import mqtt_output

pytest.importorskip("prometheus_client")

_DOOR = StreamStatus(
    stream='door "1"\\', state="running", live=True, frames_in=100, frames=90, dropped_frames=8,
    frames_waiting=2, frames_damaged=3, reconnects=1, detections=50, people=4, crops_seen=40,
    crops_classified=9, seconds=9.5, frames_per_second=9.9, last_frame_s=0.04,
    zones={"hall": {"occupancy": 2, "entered": 7, "left": 5}},
    zone_attributes={"hall": {"hat": 6}}, lines={"gate": {"in": 3, "out": 1}},
    alerts={"loading": 4},
)  # fmt: skip
_FILE = dataclasses.replace(_DOOR, stream="a.mp4", state="ended", live=False, last_frame_s=None)


def _get(url: str) -> tuple[int, bytes, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers["Content-Type"]


def _samples(server: MetricsServer) -> dict[tuple[str, frozenset[Any]], float]:
    from prometheus_client.parser import text_string_to_metric_families

    code, body, kind = _get(server.address + "/metrics")
    assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = [
        sample
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    ]
    found = {(s.name, frozenset(s.labels.items())): s.value for s in samples}
    assert len(found) == len(samples), "no series comes twice"
    return found


def test_every_figure_is_there(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    events = FailsafeOutput(EventsFile(tmp_path / "events.jsonl"))
    mqtt = FailsafeOutput(mqtt_output("mqtt://me:s3cret@127.0.0.1:1", spool=tmp_path / "spool"))
    for sink in (events, mqtt):
        sink.write({"type": "person"})
    events.write({"p": float("nan")})
    with MetricsServer(
        lambda: [_DOOR, _FILE, _FILE], lambda: [events.status(), mqtt.status()]
    ) as server:
        found = _samples(server)
        text = _get(server.address + "/metrics")[1] + _get(server.address + "/health")[1]
    for sink in (events, mqtt):
        sink.close()
    door = ("stream", _DOOR.stream)
    for name, value in {
        "frames_in_total": 100, "frames_total": 90, "frames_dropped_total": 8,
        "frames_damaged_total": 3, "reconnects_total": 1, "detections_total": 50,
        "people_total": 4, "crops_seen_total": 40, "crops_classified_total": 9,
        "video_seconds_total": 9.5, "frames_waiting": 2, "frames_per_second": 9.9,
        "last_frame_age_seconds": 0.04,
    }.items():  # fmt: skip
        assert found[f"edgeattr_{name}", frozenset({door})] == value, name
    for name, label, value in (
        ("zone_people", {("zone", "hall")}, 2), ("zone_entered_total", {("zone", "hall")}, 7),
        ("zone_attributes_total", {("zone", "hall"), ("attribute", "hat")}, 6),
        ("zone_left_total", {("zone", "hall")}, 5), ("alerts_total", {("alert", "loading")}, 4),
        ("line_crossings_total", {("line", "gate"), ("direction", "in")}, 3),
        ("line_crossings_total", {("line", "gate"), ("direction", "out")}, 1),
    ):  # fmt: skip
        assert found[f"edgeattr_{name}", frozenset({door, *label})] == value, name
    assert found["edgeattr_stream_state", frozenset({door, ("state", "running")})] == 1
    assert found["edgeattr_stream_state", frozenset({door, ("state", "stalled")})] == 0
    assert ("edgeattr_last_frame_age_seconds", frozenset({("stream", "a.mp4")})) not in found
    assert ("edgeattr_frames_total", frozenset({("stream", "a.mp4 #2")})) in found
    for name, label, value in (
        ("written_total", events.name, 1), ("failed_total", events.name, 1),
        ("well", events.name, 0), ("spooled", "mqtt://127.0.0.1:1", 1),
        ("written_total", "mqtt://127.0.0.1:1", 1), ("delivered_total", "mqtt://127.0.0.1:1", 0),
    ):  # fmt: skip
        assert found[f"edgeattr_sink_{name}", frozenset({("sink", label)})] == value, name
    assert ("edgeattr_sink_spooled", frozenset({("sink", events.name)})) not in found
    assert b"s3cret" not in text


def test_health_is_well_only_if_live_streams_run_and_sinks_write(tmp_path: Path) -> None:
    streams = [_DOOR, _FILE]
    sink = FailsafeOutput(EventsFile(tmp_path / "events.jsonl"))
    unopened: dict[str, str] = {}
    with MetricsServer(
        lambda: streams, lambda: [sink.status()], unopened=lambda: unopened
    ) as server:
        code, body, kind = _get(server.address + "/health")
        assert (code, kind) == (200, "application/json")
        assert json.loads(body)["healthy"] is True
        assert json.loads(body)["streams"][0]["frames_in"] == 100
        streams[0] = dataclasses.replace(_DOOR, state="stalled", error="no frame for 12 s")
        code, body, _ = _get(server.address + "/health")
        assert code == 503
        assert json.loads(body)["reasons"] == [f"{_DOOR.stream}: stalled (no frame for 12 s)"]
        streams[0] = dataclasses.replace(_FILE, state="failed")
        assert _get(server.address + "/health")[0] == 200, "a file is no live stream"
        unopened["yard"] = "no such file"
        code, body, _ = _get(server.address + "/health")
        assert code == 503
        assert json.loads(body)["reasons"] == ["yard: cannot be opened (no such file)"]
        unopened.clear()
        sink.write({"p": float("nan")})
        code, body, _ = _get(server.address + "/health")
        assert code == 503
        assert "as JSON" in json.loads(body)["reasons"][0]
        sink.write({"p": 1})
        assert _get(server.address + "/health?verbose")[0] == 200
        assert _get(server.address + "/else")[0] == 404
    sink.close()
    with pytest.raises(urllib.error.URLError):
        _get(server.address + "/health")
    server.close()


def test_a_failing_or_slow_question_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def status() -> list[StreamStatus]:
        raise RuntimeError("a bug")

    with MetricsServer(status) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        assert _get(server.address + "/metrics")[0] == 500
        assert _get(server.address + "/health")[0] == 500
        for client in silent:
            client.close()
    assert "a bug" in caplog.text


def test_a_port_in_use_and_an_address_that_is_not_ours_are_told() -> None:
    with MetricsServer(lambda: []) as server:
        with pytest.raises(OutputError, match=f"port {server.port}: Address already in use"):
            MetricsServer(lambda: [], port=server.port)
        with pytest.raises(OutputError, match=r"192\.0\.2\.1"):
            MetricsServer(lambda: [], host="192.0.2.1")
        with pytest.raises(UsageError, match="port 99999"):
            MetricsServer(lambda: [], port=99999)
    MetricsServer(lambda: [], port=server.port).close()


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with MetricsServer(lambda: [_DOOR], host="::1") as server:
        assert server.address == f"http://[::1]:{server.port}"
        assert _get(server.address + "/health")[0] == 200
