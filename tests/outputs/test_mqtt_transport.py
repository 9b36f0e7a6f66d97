"""Which acknowledgements count, where a broker is slow with them and connections follow another."""

from __future__ import annotations

import types
from typing import Any

import pytest

from edgeattr.outputs import mqtt_transport
from edgeattr.outputs.mqtt_transport import MqttConnection, MqttTransport
from edgeattr.outputs.spool import Entry
from edgeattr.outputs.transport import SendError

paho = pytest.importorskip("paho.mqtt.client")

_STATUS = "edgeattr/cam/status"


class _Client:
    """Stands for paho's, which numbers its messages from 1; answers what it is told to at once."""

    answers_all = True
    on_message = on_connect = on_publish = on_disconnect = None
    connect_timeout = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._count = 0

    def loop_start(self) -> None:
        assert self.on_connect
        self.on_connect(self, None, None, types.SimpleNamespace(is_failure=False), None)

    def publish(self, topic: str, payload: bytes, **options: Any) -> Any:
        self._count += 1
        if self.answers_all or topic == _STATUS:
            self.answer(self._count)
        return types.SimpleNamespace(mid=self._count)

    def answer(self, number: int) -> None:
        assert self.on_publish
        self.on_publish(self, None, number, None, None)

    def socket(self) -> None:
        return None

    def disconnect(self) -> None:
        assert self.on_disconnect
        self.on_disconnect(self, None, None, "asked", None)

    def _nothing(self, *arguments: Any, **options: Any) -> None: ...

    connect = loop_stop = will_set = max_inflight_messages_set = subscribe = _nothing


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> MqttTransport:
    monkeypatch.setattr(paho, "Client", _Client)
    monkeypatch.setattr(mqtt_transport, "_ANSWER_S", 0.1)
    connection = MqttConnection(
        host="broker", port=1883, username=None, password=None, client_id="cam", tls=None,
        status_topic=_STATUS, topic_of=lambda payload: "edgeattr/door/person",
    )  # fmt: skip
    return MqttTransport(connection)


def _entries(count: int) -> list[Entry]:
    return [Entry(number, b"{}") for number in range(100, 100 + count)]


def test_answers_of_an_earlier_connection_do_not_count(
    transport: MqttTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.connect()
    assert transport.send(_entries(5)).delivered == tuple(range(100, 105))
    transport.close()
    monkeypatch.setattr(_Client, "answers_all", False)
    transport.retain("homeassistant/a", b"1")
    with pytest.raises(SendError, match="did not answer"):
        transport.connect()


def test_answers_to_other_messages_are_none_to_events(
    transport: MqttTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.connect()
    monkeypatch.setattr(_Client, "answers_all", False)
    publish = _Client.publish

    def late(self: _Client, topic: str, payload: bytes, **options: Any) -> Any:
        sent = publish(self, topic, payload, **options)
        self.answer(1000 + sent.mid)  # of what was retained before
        return sent

    monkeypatch.setattr(_Client, "publish", late)
    with pytest.raises(SendError, match="did not answer") as caught:
        transport.send(_entries(3))
    assert caught.value.so_far.delivered == ()
