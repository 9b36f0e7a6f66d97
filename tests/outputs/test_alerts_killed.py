"""No alert is lost and none comes twice over SIGKILL of our process and of the broker."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeattr.outputs import MqttOutput
from edgeattr.search.store import PeopleReader

from ..waiting import until
from .mqtt_broker import Broker, Subscriber

pytest.importorskip("paho.mqtt.client")

_WRITER = """
import sys, uuid
from pathlib import Path
from edgeattr.outputs import EventsFile, MqttOutput, StoreWriter
folder, url = Path(sys.argv[1]), sys.argv[2]
outputs = [
    EventsFile(folder / "events.jsonl", append=True),
    StoreWriter(folder / "people.sqlite"),
    MqttOutput(url, client_id="cam", spool=folder / "spool"),
]
for number in range(10_000):
    event = {
        "type": "alert", "id": str(uuid.uuid4()), "time": "2026-05-01T12:30:10.000Z",
        "stream": "door", "alert": "loading", "track": number, "at_s": 0.1 * number,
    }
    for output in outputs:
        output.write(event)
    print(event["id"], flush=True)
"""


@pytest.mark.usefixtures("quick")
def test_every_output_keeps_its_promise_for_alerts(broker: Broker, tmp_path: Path) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    broker.start()
    before = Subscriber(broker.port, "edgeattr/door/alert")
    told: list[str] = []
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), url], stdout=subprocess.PIPE, text=True
        ) as writer:
            told += [writer.stdout.readline().strip() for _ in range(30)]
            writer.send_signal(signal.SIGKILL)
            told += writer.stdout.read().split()
        broker.kill()
    broker.start()
    after = Subscriber(broker.port, "edgeattr/door/alert")
    with MqttOutput(url, client_id="cam", spool=tmp_path / "spool") as output:
        until(lambda: output.delivery().waiting == 0)

    def came() -> set[str]:
        return {json.loads(payload)["id"] for _, payload in (*before.messages, *after.messages)}

    until(lambda: set(told) <= came())  # at least once; the id tells what came twice
    before.close()
    after.close()
    lines = [
        json.loads(line)["id"] for line in (tmp_path / "events.jsonl").read_text().splitlines()
    ]
    with PeopleReader(tmp_path / "people.sqlite") as reader:
        stored = [event["id"] for event in reader.alerts(limit=None)]
    for kept in (lines, stored):
        assert len(kept) == len(set(kept)), "none twice"
        assert set(told) <= set(kept), "none lost"
