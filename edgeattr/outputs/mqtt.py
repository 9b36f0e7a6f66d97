"""Events to an MQTT broker, by way of the disk."""

from __future__ import annotations

import json
import os
import re
import socket
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeattr.core.errors import UsageError, importing
from edgeattr.outputs.jsonl import encode_event
from edgeattr.outputs.mqtt_transport import MqttConnection, MqttTransport
from edgeattr.outputs.spool import MOST_EVENTS, Spool, spool_path
from edgeattr.outputs.spooled_output import SpooledOutput, SpoolOptions
from edgeattr.outputs.transport import Address, client_tls

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_PROMISE = (
    "an event is on disk once write returns, is sent to the broker at least once and in order, "
    "and is removed when the broker has acknowledged it (QoS 1); while the broker is away up to "
    "{events:,} events or {mib:,} MiB wait, and beyond that the oldest are dropped and counted"
)
_TAKEN = (
    "another run publishes to this broker from it; end that one first, or give this one a "
    "client_id of its own, and a spool if it names one, under [mqtt] in a site's file (--config)"
)


@dataclass(frozen=True, kw_only=True)
class MqttOptions(SpoolOptions):
    """Which broker, as whom, and under which topics."""

    url: str  # mqtt://[USER[:PASSWORD]@]HOST[:PORT], or mqtts:// for TLS
    topic: str = "edgeattr/{stream}/{type}"  # {client} is known too; / + # in names become _
    client_id: str | None = None  # unique at the broker; None: edgeattr-HOSTNAME
    ca: Path | None = None  # certificates of the authorities to trust, PEM; None: the system's
    cert: Path | None = None  # our own certificate, PEM, where the broker asks for one
    key: Path | None = None  # its key, PEM, if it is not in the same file


class MqttOutput(SpooledOutput):
    """Publishes events with QoS 1.

    ``edgeattr/CLIENT/status`` holds, retained, ``{"type": "status", "client": CLIENT, "status":
    "online"}`` while it is connected and ``"offline"`` otherwise; after a crash the broker sets it.
    Credentials are taken from the URL, or else from ``MQTT_USERNAME`` and ``MQTT_PASSWORD``, and
    are shown nowhere.

    Args:
        options: the broker, and how events are published there.

    Raises:
        UsageError: a bad URL, topic or client id.
        InputError: a certificate or key cannot be read.
        OutputError: the spool cannot be opened, or another process has it.
        MissingDependency: paho-mqtt is not installed.
    """

    def __init__(self, options: MqttOptions) -> None:
        with importing("paho", extra="mqtt", purpose="send to MQTT"):
            import paho.mqtt.client  # noqa: F401 - so that it is missed now and not while sending
        address = Address.parse(options.url, _PORTS)
        if address.path not in ("", "/"):
            raise UsageError("an MQTT address has no path; topics are set by the topic option")
        ca, cert, key = options.ca, options.cert, options.key
        if address.scheme == "mqtt" and (ca or cert or key):
            raise UsageError("certificates are for mqtts:// addresses")
        client = options.client_id or f"edgeattr-{socket.gethostname()}"
        status = f"edgeattr/{_level(client)}/status"
        connection = MqttConnection(
            host=address.host,
            port=address.port,
            username=address.username or os.environ.get("MQTT_USERNAME"),
            password=address.password or os.environ.get("MQTT_PASSWORD"),
            client_id=client,
            tls=client_tls(ca, cert, key) if address.scheme == "mqtts" else None,
            status_topic=status,
            topic_of=_topics(options.topic, client),
        )
        self.client, self.status_topic = client, status
        self._mqtt = MqttTransport(connection)
        super().__init__(
            name=address.shown,
            promise=_PROMISE.format(events=MOST_EVENTS, mib=round(options.spool_mb)),
            transport=self._mqtt,
            spool=Spool(
                options.spool or spool_path(f"{address.shown} {client}"),
                max_bytes=round(options.spool_mb * 2**20),
                taken=_TAKEN,
            ),
        )

    def topic_of(self, event: Mapping[str, Any]) -> str:
        """Where an event is published."""
        return self._mqtt.topic_of(encode_event(event))

    def retain(self, topic: str, payload: bytes) -> None:
        """Have a topic hold a payload, as soon as the broker is there; the latest counts."""
        self._mqtt.retain(topic, payload)
        self.wake()

    def subscribe(self, filters: Sequence[str], told: Callable[[str, bytes], None]) -> None:
        """Have a thread report topics and what they hold, as soon as the broker is there."""
        self._mqtt.subscribe(filters, told)
        self.wake()


def _topics(template: str, client: str) -> Callable[[bytes], str]:
    """The topic of an event's JSON.

    Raises:
        UsageError: the template has a wildcard, an unknown field, or is empty.
    """
    known = {"stream", "type", "client"}
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise UsageError(f"topic {template!r}: {error}") from error
    if not template or set(template) & set("+#\0") or not fields <= known:
        raise UsageError(
            f"topic {template!r} cannot be used; expected levels without + and #, "
            "and of fields only {stream}, {type} and {client}"
        )

    def topic_of(payload: bytes) -> str:
        event = json.loads(payload)
        return template.format(
            stream=_level(str(event.get("stream", ""))),
            type=_level(str(event.get("type", ""))),
            client=_level(client),
        )

    return topic_of


def _level(name: str) -> str:
    """A name as one level of a topic: no separator, wildcard, space or control character."""
    safe = re.sub(r"[/+#\s\x00-\x1f\x7f]+", "_", name).lstrip("$")[:200]
    return safe or "_"
