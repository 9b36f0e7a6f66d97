"""The MQTT consumer against a real mosquitto and a real run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from ..outputs.mqtt_broker import Broker, mqtt_output
from .conftest import EXAMPLES, Run

pytest.importorskip("paho.mqtt.client")


@pytest.fixture
def address(broker: Broker) -> str:
    """Of a broker that lets everybody in."""
    broker.start()
    return f"mqtt://127.0.0.1:{broker.port}"


class _Consumer:
    """The example as a process that listens."""

    def __init__(self, broker: str, *arguments: object) -> None:
        command = [sys.executable, str(EXAMPLES / "mqtt_consumer.py"), broker]
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert "listening" in self.process.stderr.readline()

    def next(self) -> dict[str, Any]:
        """The next event it lets through."""
        event: dict[str, Any] = json.loads(self.process.stdout.readline())
        return event

    def finish(self) -> tuple[list[dict[str, Any]], dict[str, int], str]:
        """End it; what it still let through, its counts, and what else it said."""
        self.process.terminate()
        out, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors
        rest = [json.loads(line) for line in out.splitlines()]
        return rest, json.loads(errors.splitlines()[-1]), errors

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def _person(number: int) -> dict[str, Any]:
    answers = {"hat": {"p": 0.9, "answer": "yes"}, "shorts": {"p": 0.1, "answer": "no"}}
    return {"type": "person", "id": str(uuid.uuid4()), "stream": "door", "track": number,
            "last_s": float(number), "attributes": answers}  # fmt: skip


def _publish(broker: str, *payloads: bytes) -> None:
    """As a publisher whose acknowledgement was lost does: the same again."""
    from paho.mqtt import publish

    port = int(broker.rpartition(":")[2])
    messages = [("edgeattr/door/person", payload, 1, False) for payload in payloads]
    publish.multiple(messages, hostname="127.0.0.1", port=port)


def test_people_of_a_real_run_arrive(address: str, walking_video: Path, tmp_path: Path) -> None:
    consumer, events = _Consumer(address), tmp_path / "people.jsonl"
    subprocess.run(
        [sys.executable, "-m", "edgeattr", "run", walking_video,
         "--mqtt", address, "--events", events, "--quiet"],
        check=True,
    )  # fmt: skip
    people = [json.loads(line) for line in events.read_text().splitlines()][:-1]
    assert people
    assert [consumer.next()["id"] for _ in people] == [person["id"] for person in people]
    rest, counts, said = consumer.finish()
    assert (rest, counts) == ([], {"events": len(people), "repeated": 0, "strange": 0})
    assert " is online" in said


def test_each_once_over_repeats_nonsense_and_a_kill(address: str, tmp_path: Path) -> None:
    people, seen = [_person(number) for number in range(6)], tmp_path / "seen.sqlite"
    texts = [json.dumps(person).encode() for person in people]
    consumer = _Consumer(address, "--seen", seen)
    with mqtt_output(address, client_id="camera", spool=tmp_path / "spool") as sink:
        for person in people[:3]:
            sink.write(person)
        first = [consumer.next() for _ in range(3)]
        _publish(address, texts[1], b"no json", b"[]", b'{"type": "person"}', b'{"id": {}}')
        consumer.kill()
        for person in people[3:]:  # while it is away
            sink.write(person)
        while sink.delivery().waiting:
            time.sleep(0.02)
    _publish(address, texts[0], texts[4])
    consumer = _Consumer(address, "--seen", seen)
    then = [consumer.next() for _ in range(3)]
    time.sleep(0.2)
    rest, counts, _ = consumer.finish()
    assert [event["track"] for event in first + then] == [0, 1, 2, 3, 4, 5]
    assert first[0]["present"] == ["hat"]
    assert rest == []
    assert counts["events"] == 3
    assert counts["repeated"] >= 2


def test_what_is_wrong_is_said(run_example: Run) -> None:
    assert "expected mqtt://HOST" in run_example("mqtt_consumer.py", "localhost", code=2).stderr
    done = run_example("mqtt_consumer.py", "mqtt://127.0.0.1:1", code=1)
    assert "127.0.0.1: Connection refused" in done.stderr


def test_a_login_that_is_refused_ends_it_with_the_reason(broker: Broker, run_example: Run) -> None:
    broker.start("allow_anonymous false")
    done = run_example("mqtt_consumer.py", f"mqtt://127.0.0.1:{broker.port}", code=1)
    assert done.stderr.endswith("127.0.0.1: the broker refuses: Not authorized\n")
