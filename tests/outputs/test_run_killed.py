"""Alerts of whole runs over SIGKILL of the run and of the broker: what each output promises."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..search.store.person_events import rows_of
from ..waiting import until
from .mqtt_broker import Broker, Line, Subscriber
from .web_server import WebServer

pytest.importorskip("paho.mqtt.client")
pytestmark = pytest.mark.slow

_SITE = """
events = {{ path = "events.jsonl" }}
store = {{ path = "people.sqlite" }}
mqtt = {{ url = "mqtt://127.0.0.1:{broker}", client_id = "cam", spool = "mqtt.spool" }}
webhook = {{ url = "http://127.0.0.1:{web}/people", spool = "webhook.spool" }}

[[sources]]
address = {video!r}
name = "door"
loop = true
zones = [{{ name = "left", points = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]] }}]

[[alert]]
name = "in the room"
when = "in zone left and seen > 0.2 s"
for = "0.2 s"

[[alert]]
name = "has left the zone"
when = "seen > 1 s and not in zone left"
"""


@contextmanager
def _run(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "edgeattr", "run", "--config", "site.toml", "--quiet"]
    with open(folder / "log.txt", "ab") as log:
        process = subprocess.Popen(command, cwd=folder, stderr=log, env=os.environ)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _lines(folder: Path) -> list[dict[str, Any]]:
    """Alerts of the events file; a last line that is being written is left out."""
    path = folder / "events.jsonl"
    whole = path.read_text().split("\n")[:-1] if path.exists() else []
    return [event for line in whole if (event := json.loads(line))["type"] == "alert"]


def _waiting(spool: Path) -> list[dict[str, Any]]:
    """Events that stay on disk for the next run, as there was no time left to send them."""
    return [json.loads(row["payload"]) for row in rows_of(spool, "queue")]


def _distinct(events: list[dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    """Alerts by id; what came twice is the same."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["type"] == "alert":
            assert found.setdefault(event["id"], event) == event
    return found


def test_no_alert_is_lost_or_told_twice_over_kills(
    broker: Broker, walking_video: Path, tmp_path: Path
) -> None:
    line, web = Line(broker.port), WebServer(lambda *_: (200, {}))
    site = _SITE.format(broker=line.port, web=web.port, video=str(walking_video))
    (tmp_path / "site.toml").write_text(site)
    subscribers = []
    kills = (False, True, False)  # of the run; whether the broker dies too

    def more() -> None:
        before = len(_lines(tmp_path))
        until(lambda: len(_lines(tmp_path)) >= before + 6, 120)

    def listen() -> None:
        broker.start()
        subscribers.append(Subscriber(broker.port, "edgeattr/door/alert"))
        line.open = True

    def stop_broker() -> None:
        line.open = False
        broker.kill()

    listen()
    for broker_dies_too in kills:
        with _run(tmp_path) as process:
            more()
            if broker_dies_too:
                stop_broker()
                more()
            process.send_signal(signal.SIGKILL)
            process.wait()
    listen()
    with _run(tmp_path) as process:
        more()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log.txt").read_text()

    kept = [event["id"] for event in _lines(tmp_path)]
    assert len(kept) == len(set(kept)) >= 30
    stored = [row["id"] for row in rows_of(tmp_path / "people.sqlite", "alerts")]
    assert len(stored) == len(set(stored))

    def caught() -> list[set[str]]:
        """By output, the alerts that a kill kept from it while others had them already."""
        published = [json.loads(text) for it in subscribers for _, text in list(it.messages)]
        posted = [json.loads(request.body) for request in list(web.requests)]
        sent = (published + _waiting(tmp_path / "mqtt.spool"),
                posted + _waiting(tmp_path / "webhook.spool"))  # fmt: skip
        outputs = [set(kept), set(stored), *(set(_distinct(events)) for events in sent)]
        return [set.union(*outputs) - told for told in outputs]

    until(lambda: max(map(len, caught())) <= len(kills))  # the last are on their way
    line.close()
    for subscriber in subscribers:
        subscriber.close()
    web.close()
