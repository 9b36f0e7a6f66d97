"""Home Assistant's MQTT discovery: sensors per camera, zone, line and attribute; alerts as events.

Configurations and states are retained, so that Home Assistant knows them when it starts:
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. Those of cameras, zones and rules
that there are no longer are cleared.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import edgeattr
from edgeattr.core.prediction import TrackRecord
from edgeattr.outputs.mqtt import MqttOutput

_PREFIX = "homeassistant"  # of topics that Home Assistant listens to


@dataclass(frozen=True, kw_only=True)
class Camera:
    """What Home Assistant is told of one stream."""

    stream: str
    zones: Sequence[str] = ()
    lines: Sequence[str] = ()
    alerts: Sequence[str] = ()  # names of rules
    attributes: Sequence[str] = ()  # of which people in view are counted


@dataclass
class _State:
    """What a camera's state topic holds."""

    people: int = 0  # in view
    total: int = 0  # records so far
    zones: dict[str, int] = field(default_factory=dict)  # people in each now
    lines: dict[str, dict[str, int]] = field(default_factory=dict)  # crossings so far
    attributes: dict[str, int] = field(default_factory=dict)  # people in view answered yes


class HomeAssistantOutput:
    """An output that keeps Home Assistant's entities right. It promises nothing of its own: events
    go the way of the MQTT output.

    Args:
        mqtt: has the connection; closed by its owner.
        cameras: what there is.
    """

    name = "Home Assistant"

    def __init__(self, mqtt: MqttOutput, cameras: Sequence[Camera]) -> None:
        self._mqtt = mqtt
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}
        self._current: set[str] = set()  # topics of what there is
        self.announce(cameras)
        mqtt.subscribe([f"{_PREFIX}/{it}/+/config" for it in ("sensor", "event")], self._clear_old)

    def announce(self, cameras: Sequence[Camera]) -> None:
        """Announce these cameras, and clear what there is no longer; counts of the others go on."""
        mqtt = self._mqtt
        messages = {
            topic: payload
            for camera in cameras
            for topic, payload in discovery_messages(mqtt, camera)
        }
        with self._lock:
            self._states = {it.stream: _state(it, self._states.get(it.stream)) for it in cameras}
            before, self._current = (
                self._current,
                {*messages, *(_state_topic(mqtt, stream) for stream in self._states)},
            )
        for topic, payload in {**dict.fromkeys(before - self._current, b""), **messages}.items():
            mqtt.retain(topic, payload)
        for camera in cameras:
            self._tell(camera.stream)

    def write(self, event: Mapping[str, Any]) -> None:
        """Take in what an event changes."""
        stream, kind = event.get("stream", ""), event["type"]
        with self._lock:
            state = self._states.get(stream)
            if state is None:
                return
            if kind == "person":
                state.total += 1
            elif kind == "zone":
                state.zones[event["zone"]] = event["occupancy"]
            elif kind == "line":
                line = state.lines.setdefault(event["line"], {"in": 0, "out": 0})
                line[event["direction"]] = event["count"]
            elif kind == "summary":
                state.people, state.attributes = 0, dict.fromkeys(state.attributes, 0)
            else:
                return
        self._tell(stream)

    def watch(self, stream: str, records: Sequence[TrackRecord]) -> None:
        """Take in who is in view."""
        with self._lock:
            state = self._states.get(stream)
            if state is None:
                return
            state.people = len(records)
            for name in state.attributes:
                answers = (record.attributes.get(name) for record in records)
                state.attributes[name] = sum(
                    bool(it) and it.answer == "yes" for it in answers if it
                )
        self._tell(stream)

    def _clear_old(self, topic: str, payload: bytes) -> None:
        """Clear a configuration of ours, and its state, if it is of nothing that there is now."""
        try:
            config = json.loads(payload)
            status, state = config["availability_topic"], config["state_topic"]
        except (ValueError, TypeError, KeyError):
            return  # another's, or cleared
        if status != self._mqtt.status_topic:
            return
        own = state.startswith(status.removesuffix("status"))
        for old in {topic, *([state] if own else ())} - self._current:
            self._mqtt.retain(old, b"")

    def _tell(self, stream: str) -> None:
        with self._lock:
            if state := self._states.get(stream):
                self._mqtt.retain(_state_topic(self._mqtt, stream), _json(vars(state)))


def _state(camera: Camera, before: _State | None) -> _State:
    """What is told of a camera, from what was told before."""
    before = before or _State()
    return _State(
        people=before.people,
        total=before.total,
        zones={zone: before.zones.get(zone, 0) for zone in camera.zones},
        lines={line: before.lines.get(line, {"in": 0, "out": 0}) for line in camera.lines},
        attributes={name: before.attributes.get(name, 0) for name in camera.attributes},
    )


def discovery_messages(mqtt: MqttOutput, camera: Camera) -> Iterator[tuple[str, bytes]]:
    """The configuration topics of a camera and what they are to hold.

    Args:
        mqtt: publishes events.
        camera: what there is.
    """
    state = _state_topic(mqtt, camera.stream)
    for kind, name, key, fields in _entities(mqtt, camera):
        unique = _identifier(mqtt.client, camera.stream, key)
        component = "event" if kind == "event" else "sensor"
        yield (
            f"{_PREFIX}/{component}/{unique}/config",
            _json({
                "name": name,
                "unique_id": unique,
                "state_topic": state,
                **({} if kind == "event" else {"state_class": kind}),
                **fields,
                "availability_topic": mqtt.status_topic,
                "availability_template": "{{ value_json.status }}",
                "device": {
                    "identifiers": [_identifier(mqtt.client, camera.stream)],
                    "name": camera.stream,
                    "manufacturer": "edgeattr",
                    "model": "camera",
                    "sw_version": edgeattr.__version__,
                },
                "origin": {"name": "edgeattr", "sw_version": edgeattr.__version__},
            }),
        )  # fmt: skip


def _entities(mqtt: MqttOutput, camera: Camera) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """State class (or ``event``), name, what no other entity of the camera is called, and the
    fields that only this one has."""
    yield "measurement", "People in view", "People in view", _value("people")
    yield "total_increasing", "People seen", "People seen", _value("total")
    for zone in camera.zones:
        yield "measurement", f"People in {zone}", f"zone {zone}", _value("zones", zone)
    for line in camera.lines:
        for way in ("in", "out"):
            name = f"Crossed {line} {way}"
            yield "total_increasing", name, name, _value("lines", line, way)
    for attribute in camera.attributes:
        name = f"In view with {attribute.replace('_', ' ')}"
        yield "measurement", name, name, _value("attributes", attribute)
    if camera.alerts:
        template = (
            "{% if value_json.type == 'alert' and value_json.stream == "
            f"{_quoted(camera.stream)} %}}"
            "{{ dict(value_json, event_type=value_json.alert) | tojson }}{% endif %}"
        )
        topic = mqtt.topic_of({"type": "alert", "stream": camera.stream})
        fields = {"event_types": list(camera.alerts), "state_topic": topic}
        yield "event", "Alerts", "Alerts", {**fields, "value_template": template}


def _value(*path: str) -> dict[str, Any]:
    places = "".join(f"[{_quoted(name)}]" for name in path)
    return {"value_template": f"{{{{ value_json{places} }}}}", "icon": "mdi:account"}


def _quoted(text: str) -> str:
    """As a string of a template, which knows no pairs of \\u escapes."""
    return json.dumps(text, ensure_ascii=False)


def _state_topic(mqtt: MqttOutput, stream: str) -> str:
    return f"{mqtt.status_topic.removesuffix('/status')}/{_identifier(stream)}/state"


def _identifier(*names: str) -> str:
    """Letters, digits, `_` and `-` alone, and different for different names."""
    text = "_".join(names)
    digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', text)[:80]}_{digest}"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()
