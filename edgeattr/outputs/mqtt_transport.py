"""One connection to an MQTT broker after the other; paho's thread serves its socket."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeattr.outputs.jsonl import encode_event
from edgeattr.outputs.spool import Entry
from edgeattr.outputs.transport import SendError, SendResult

_CONNECT_S = 5.0  # for the connection, and again for the broker's word of welcome
_ANSWER_S = 10.0  # without any acknowledgement
_LEAVE_S = 0.5
_KEEPALIVE_S = 30


@dataclass(frozen=True, kw_only=True)
class MqttConnection:
    """Address, credentials and topics of a connection."""

    host: str
    port: int
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)
    client_id: str
    tls: ssl.SSLContext | None
    status_topic: str  # holds whether this client is online
    topic_of: Callable[[bytes], str]  # of an event's JSON

    def status(self, status: str) -> bytes:
        """What the status topic holds: JSON, like all messages."""
        return encode_event({"type": "status", "client": self.client_id, "status": status})


class MqttTransport:
    """Publishes, and counts as delivered what the broker has acknowledged.

    A lost connection is given up together with all that paho knows of it: what was not
    acknowledged is still in the spool, and goes out again on a new one, in order.

    Args:
        options: of the connection.
    """

    batch = 50

    def __init__(self, connection: MqttConnection) -> None:
        self._connection = connection
        self._client: Any = None  # paho's, while connected
        self._changed = threading.Condition()  # guards what follows, which paho's thread sets
        self._retained: dict[str, bytes] = {}  # what topics are to hold
        self._held: dict[str, bytes] = {}  # what they hold, as far as this connection knows
        self._subscribed: tuple[Sequence[str], Callable[[str, bytes], None]] | None = None
        self._welcome: Any = None  # reason code of the broker's answer to our greeting
        self._answered: set[int] = set()  # numbers of messages
        self._lost: str | None = None  # why there is no connection any more
        self._wake: threading.Event | None = None  # set when the connection is lost

    def topic_of(self, payload: bytes) -> str:
        """Where an event's JSON is published."""
        return self._connection.topic_of(payload)

    def retain(self, topic: str, payload: bytes) -> None:
        """Have a topic hold a payload, from the next :meth:`connect` on; the latest counts."""
        self._retained[topic] = payload

    def subscribe(self, filters: Sequence[str], told: Callable[[str, bytes], None]) -> None:
        """Have paho's thread report what topics hold, from the next :meth:`connect` on.

        Args:
            filters: of topics.
            told: takes a topic and its payload.
        """
        self._subscribed = filters, told

    def connect(self) -> None:
        """Connect and say that we are online, if that was not done; publish what is retained."""
        if self._client is None:
            self._open_connection()
        if self._subscribed and not self._client.on_message:
            filters, told = self._subscribed
            self._client.on_message = lambda _, __, message: told(message.topic, message.payload)
            self._client.subscribe([(topics, 0) for topics in filters])
        if fresh := {t: p for t, p in list(self._retained.items()) if self._held.get(t) != p}:
            try:
                self._publish_retained(fresh)
            except SendError:
                self._give_up(self._client)
                raise

    def _publish_retained(self, fresh: Mapping[str, bytes]) -> None:
        sent = [
            self._client.publish(topic, payload, qos=1, retain=True).mid
            for topic, payload in fresh.items()
        ]
        self._until(lambda: all(number in self._answered for number in sent), _ANSWER_S)
        self._held.update(fresh)

    def _open_connection(self) -> None:
        self._held.clear()
        self._answered = set()  # a new client numbers its messages from 1
        self._welcome = self._lost = None
        client = self._new_client()
        try:
            client.connect(self._connection.host, self._connection.port, _KEEPALIVE_S)
            self._client = client
            client.loop_start()
            self._until(lambda: self._welcome is not None, _CONNECT_S)
            if self._welcome.is_failure:
                raise SendError(f"the broker says: {self._welcome}")
            self._say("online", _CONNECT_S)
        except (OSError, ValueError) as error:
            self._give_up(client)
            raise SendError(getattr(error, "strerror", None) or str(error)) from error
        except SendError:
            self._give_up(client)
            raise

    def send(self, entries: Sequence[Entry]) -> SendResult:
        """Publish some events and wait for all acknowledgements."""
        numbers: dict[int, int] = {}  # of the spool, by number of the message
        self._answered = set()
        try:
            for entry in entries:
                topic = self._connection.topic_of(entry.payload)
                sent = self._client.publish(topic, entry.payload, qos=1)
                numbers[sent.mid] = entry.number
            waiting = list(numbers)
            while waiting := [it for it in waiting if it not in self._answered]:
                # each answer gives the others more time
                self._until(lambda: any(it in self._answered for it in waiting), _ANSWER_S)
        except SendError as error:
            error.so_far = self._so_far(numbers)
            self._give_up(self._client)
            raise
        return self._so_far(numbers)

    def idle(self, wake: threading.Event) -> None:
        """Wait until there is something to do; paho answers the broker's signs of life."""
        with self._changed:
            self._wake = wake
        if self._lost is None:
            wake.wait()
        self._wake = None
        if self._lost is not None:
            self._give_up(self._client)
            raise SendError(self._lost)

    def close(self) -> None:
        """Say that we are offline, and leave."""
        if self._client is None:
            return
        client = self._client
        with contextlib.suppress(SendError, OSError, ValueError):
            self._say("offline", _LEAVE_S)
            client.disconnect()
            self._until(lambda: self._lost is not None, _LEAVE_S)
        self._give_up(client)

    def _new_client(self) -> Any:
        from paho.mqtt.client import Client, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        connection = self._connection
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=connection.client_id,
            protocol=MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_S
        client.max_inflight_messages_set(self.batch + 1)
        client.will_set(connection.status_topic, connection.status("offline"), qos=1, retain=True)
        if connection.username is not None:
            client.username_pw_set(connection.username, connection.password)
        if connection.tls is not None:
            client.tls_set_context(connection.tls)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            self._welcome = reason
            self._changed.notify_all()

    def _on_publish(
        self, client: Any, userdata: Any, number: int, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            self._answered.add(number)
            self._changed.notify_all()

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            self._lost = f"the connection was lost ({reason})"
            self._changed.notify_all()
            if self._wake is not None:
                self._wake.set()

    def _say(self, status: str, seconds: float) -> None:
        topic, payload = self._connection.status_topic, self._connection.status(status)
        sent = self._client.publish(topic, payload, qos=1, retain=True)
        self._until(lambda: sent.mid in self._answered, seconds)

    def _until(self, done: Callable[[], bool], seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: done() or self._lost is not None, seconds)
            if not done():
                raise SendError(self._lost or f"the broker did not answer within {seconds:.0f} s")

    def _so_far(self, numbers: dict[int, int]) -> SendResult:
        delivered = (number for message, number in numbers.items() if message in self._answered)
        return SendResult(tuple(delivered))

    def _give_up(self, client: Any) -> None:
        """End the connection, whatever state it is in, and paho's thread with it."""
        self._client = None
        client.on_disconnect = None
        connection = client.socket()
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        client.loop_stop()
