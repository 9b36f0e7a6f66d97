"""Home Assistant's discovery over a real mosquitto, held against its documentation."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.prediction import AttributeAnswer, TrackRecord
from edgeattr.outputs.home_assistant import Camera, HomeAssistantOutput, discovery_messages

from ..waiting import until
from .mqtt_broker import Broker, Subscriber, mqtt_output

pytest.importorskip("paho.mqtt.client")
_DOOR = Camera(
    stream="front door", zones=("hall", 'a "b"'), lines=("gate",), alerts=("loading",),
    attributes=("long_hair",),
)  # fmt: skip
_BOTH = {
    "name", "unique_id", "state_topic", "value_template", "icon", "device", "origin",
    "availability_topic", "availability_template",
}  # fmt: skip
_FIELDS = {"sensor": {*_BOTH, "state_class"}, "event": {*_BOTH, "event_types"}}
_DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version"}


def _latest(subscriber: Subscriber) -> dict[str, Any]:
    held = dict(list(subscriber.messages))
    return {topic: json.loads(payload) for topic, payload in held.items() if payload}


def _record() -> TrackRecord:
    return TrackRecord(
        stream="front door", track=1, first_s=0, last_s=1, frames=5, crops_classified=1,
        box=(0, 0, 1, 1), attributes={"long_hair": AttributeAnswer(0.9, "yes")},
    )  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_configurations_and_states_are_retained_and_outlive_the_broker(
    broker: Broker, tmp_path: Path
) -> None:
    mqtt = mqtt_output(f"mqtt://127.0.0.1:{broker.port}", client_id="cam", spool=tmp_path / "spool")
    output = HomeAssistantOutput(mqtt, [_DOOR])
    output.write({"type": "person", "stream": "front door"})
    output.write({"type": "zone", "stream": "front door", "zone": 'a "b"', "occupancy": 2})
    output.write(
        {"type": "line", "stream": "front door", "line": "gate", "direction": "in", "count": 3}
    )
    output.watch("front door", [_record(), _record()])
    output.write({"type": "person", "stream": "another"})
    wanted = {
        "people": 2, "total": 1, "zones": {"hall": 0, 'a "b"': 2},
        "lines": {"gate": {"in": 3, "out": 0}}, "attributes": {"long_hair": 2},
    }  # fmt: skip
    for _ in range(2):  # the second broker knows nothing of the first
        broker.start()
        first = Subscriber(broker.port, "#")
        until(lambda: wanted in _latest(first).values())  # noqa: B023
        first.close()
        late = Subscriber(broker.port, "homeassistant/#")  # it was not there in time
        until(lambda: len(_latest(late)) == 8)  # noqa: B023
        late.close()
        broker.kill()
    output.write({"type": "summary", "stream": "front door"})
    mqtt.close()
    for topic, config in _latest(late).items():
        _check(topic, config)
    (event,) = (
        it for topic, it in _latest(late).items() if topic.startswith("homeassistant/event")
    )
    assert event["state_topic"] == "edgeattr/front_door/alert"
    assert event["event_types"] == ["loading"]


@pytest.mark.usefixtures("quick")
def test_what_there_is_no_longer_is_cleared(broker: Broker, tmp_path: Path) -> None:
    broker.start()
    gone = Camera(stream="yard")
    less = Camera(stream="front door", zones=("hall",))
    address = f"mqtt://127.0.0.1:{broker.port}"
    with mqtt_output(address, client_id="other", spool=tmp_path / "other") as other:
        HomeAssistantOutput(other, [gone])
        for cameras in ([_DOOR, gone], [less]):
            with mqtt_output(address, client_id="cam", spool=tmp_path / "spool") as mqtt:
                HomeAssistantOutput(mqtt, cameras)
                kept = {topic for it in cameras for topic, _ in discovery_messages(mqtt, it)}
                until(lambda: kept == _kept_of(broker, "edgeattr/cam/status"))  # noqa: B023
        assert len(_kept_of(broker, "edgeattr/other/status")) == 2
    states = Subscriber(broker.port, "edgeattr/cam/+/state")
    until(lambda: len(states.messages) == 1)
    states.close()


def _kept_of(broker: Broker, status: str) -> set[str]:
    """Topics of the configurations that the broker holds of one client."""
    late = Subscriber(broker.port, "homeassistant/#")
    until(lambda: len(late.messages) > 0)
    time.sleep(0.1)
    late.close()
    return {
        topic for topic, config in _latest(late).items() if config["availability_topic"] == status
    }


def _check(topic: str, config: dict[str, Any]) -> None:
    prefix, component, identifier, last = topic.split("/")
    assert (prefix, last) == ("homeassistant", "config")
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", identifier)
    assert identifier == config["unique_id"]
    assert set(config) <= _FIELDS[component]
    assert set(config["device"]) == _DEVICE
    assert config["origin"]["name"] == "edgeattr"
    assert config["availability_topic"] == "edgeattr/cam/status"
    if component == "sensor":
        assert config["state_class"] in ("measurement", "total_increasing")


class _Mqtt:
    client, status_topic = "cam", "edgeattr/cam/status"
    topic_of = staticmethod(lambda event: "topic")

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}

    def subscribe(self, *_: object) -> None:
        pass

    def retain(self, topic: str, payload: bytes) -> None:
        self.retained[topic] = payload


def test_a_line_drawn_while_it_runs_is_counted() -> None:
    mqtt = _Mqtt()
    told = HomeAssistantOutput(mqtt, [_DOOR])  # type: ignore[arg-type]
    told.write(
        {"type": "line", "stream": "front door", "line": "new", "direction": "in", "count": 1}
    )
    states = [json.loads(it) for topic, it in mqtt.retained.items() if topic.endswith("/state")]
    assert [state["lines"]["new"] for state in states] == [{"in": 1, "out": 0}]


def test_cameras_that_change_while_it_runs_are_announced_anew() -> None:
    mqtt, yard = _Mqtt(), Camera(stream="yard", zones=("grass",))
    told = HomeAssistantOutput(mqtt, [_DOOR, Camera(stream="gone")])  # type: ignore[arg-type]
    told.write({"type": "person", "stream": "front door"})
    told.write({"type": "zone", "stream": "front door", "zone": "hall", "occupancy": 2})
    before = set(mqtt.retained)
    told.announce([dataclasses.replace(_DOOR, zones=("hall", "desk")), yard])
    held = {topic: json.loads(it) for topic, it in mqtt.retained.items() if it}
    configs = [it for topic, it in held.items() if topic.endswith("/config")]
    names = {it["name"] for it in configs if it["device"]["name"] == "front door"}
    assert "People in desk" in names
    assert 'People in a "b"' not in names
    assert {it["device"]["name"] for it in configs} == {"front door", "yard"}
    assert len(before - set(held)) == 4, "of the camera that is gone, and of one zone"
    states = [it for topic, it in held.items() if topic.endswith("/state")]
    assert [(it["total"], it["zones"]) for it in states] == [
        (1, {"hall": 2, "desk": 0}), (0, {"grass": 0})
    ]  # fmt: skip
    told.write({"type": "person", "stream": "gone"})


def test_a_zone_called_view_is_not_the_picture() -> None:
    topics = [
        topic
        for topic, _ in discovery_messages(_Mqtt(), dataclasses.replace(_DOOR, zones=("view",)))
    ]  # type: ignore[arg-type]
    assert len(set(topics)) == len(topics) == 7


def test_templates_give_what_the_state_holds() -> None:
    jinja2 = pytest.importorskip("jinja2")
    camera = dataclasses.replace(_DOOR, zones=(*_DOOR.zones, "🚪"))
    state = {
        "people": 2, "total": 1, "zones": {"hall": 4, 'a "b"': 5, "🚪": 9},
        "lines": {"gate": {"in": 6, "out": 7}}, "attributes": {"long_hair": 8},
    }  # fmt: skip
    alert = {"type": "alert", "stream": "front door", "alert": "loading", "track": 3}
    shown = {}
    for _, payload in discovery_messages(_Mqtt(), camera):  # type: ignore[arg-type]
        config = json.loads(payload)
        value = alert if "event_types" in config else state
        template = jinja2.Environment().from_string(config["value_template"])
        shown[config["name"]] = template.render(value_json=value)
        if "event_types" in config:
            assert template.render(value_json={"type": "person"}) == ""
    assert json.loads(shown.pop("Alerts")) == {**alert, "event_type": "loading"}
    assert shown == {
        "People in view": "2", "People seen": "1", "People in hall": "4", 'People in a "b"': "5",
        "People in 🚪": "9", "Crossed gate in": "6", "Crossed gate out": "7",
        "In view with long hair": "8",
    }  # fmt: skip
