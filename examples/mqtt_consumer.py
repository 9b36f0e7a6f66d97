"""A consumer of what `edgeattr run --mqtt` publishes: each person once.

    pip install "edgeattr[mqtt]"
    python examples/mqtt_consumer.py mqtt://localhost [--seen seen.sqlite] [--events 100]
    edgeattr run camera.mp4 --mqtt mqtt://localhost

edgeattr publishes at least once: after a broken connection an event may come again, with the same
`id`. This program remembers the ids, with --seen over its own restarts too, and has the broker keep
what comes while it is away. Prints a line of JSON for each person, and counts at the end. Name and
password are taken from MQTT_USERNAME and MQTT_PASSWORD, or from the address.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
from typing import Any
from urllib.parse import unquote, urlsplit

try:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion
except ImportError as error:
    sys.exit(f'{error}; this example needs paho-mqtt: pip install "edgeattr[mqtt]"')

_REMEMBERED = 1_000_000  # ids, the latest


class Consumer:
    """Takes messages, and lets each event through once."""

    def __init__(self, client: Client, seen: str, topic: str, limit: int | None) -> None:
        self.events = self.repeated = self.strange = 0
        self.refused = ""  # why the broker does not let this client in
        self._client, self._topic, self._limit = client, topic, limit
        self._seen = sqlite3.connect(seen, isolation_level=None)
        self._seen.execute("CREATE TABLE IF NOT EXISTS seen (n INTEGER PRIMARY KEY, id UNIQUE)")
        client.on_connect, client.on_message = self._connected, self._received

    def _connected(self, client: Client, data: Any, flags: Any, reason: Any, more: Any) -> None:
        if reason.is_failure:
            self.refused = str(reason)
            client.disconnect()
            return
        client.subscribe([(self._topic, 1), ("edgeattr/+/status", 1)])
        print("mqtt_consumer: listening", file=sys.stderr, flush=True)

    def _received(self, client: Client, data: Any, message: MQTTMessage) -> None:
        """Print an event; the broker counts it as delivered when this returns."""
        if message.topic.endswith("/status"):
            who = message.topic.split("/")[1]
            print(
                f"mqtt_consumer: {who} is {_status(message.payload)}", file=sys.stderr, flush=True
            )
            return
        try:
            known, shown = _shown(json.loads(message.payload))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.strange += 1
            print(f"mqtt_consumer: {message.topic}: not an event: {error!r}", file=sys.stderr)
            return
        # to lose nothing and repeat nothing even if this is killed right here, write the event
        # itself and its id in one transaction of your own database
        fresh = self._seen.execute("INSERT OR IGNORE INTO seen (id) VALUES (?)", (known,))
        if not fresh.rowcount:
            self.repeated += 1
            return
        self._seen.execute("DELETE FROM seen WHERE n <= ?", ((fresh.lastrowid or 0) - _REMEMBERED,))
        self.events += 1
        print(shown, flush=True)
        if self.events == self._limit:
            client.disconnect()


def _status(payload: bytes) -> str:
    """``online`` or ``offline``, or the message itself where it is not what edgeattr sends."""
    try:
        return str(json.loads(payload)["status"])
    except (ValueError, KeyError, TypeError):
        return payload.decode(errors="replace")


def _shown(event: dict[str, Any]) -> tuple[str, str]:
    """An event's id, and a line that tells of it."""
    answers = event["attributes"].items()
    present = [name for name, value in answers if value["answer"] == "yes"]
    told = {name: event[name] for name in ("id", "stream", "track", "last_s")}
    return str(event["id"]), json.dumps({**told, "present": present})


def main() -> None:
    """Listen until stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("broker", help="mqtt://[USER[:PASSWORD]@]HOST[:PORT], mqtts:// for TLS")
    parser.add_argument("--topic", default="edgeattr/+/person")
    parser.add_argument("--client-id", default="edgeattr-consumer", help="unique at the broker")
    parser.add_argument("--seen", default=":memory:", help="SQLite file of the ids")
    parser.add_argument("--events", type=int, help="end after so many")
    arguments = parser.parse_args()
    address = urlsplit(arguments.broker)
    if address.scheme not in ("mqtt", "mqtts") or not address.hostname:
        parser.error(f"{arguments.broker!r} is no broker; expected mqtt://HOST or mqtts://HOST")
    # a session that stays: the broker keeps events of QoS 1 while this client is away
    client = Client(CallbackAPIVersion.VERSION2, arguments.client_id, clean_session=False)
    name = unquote(address.username or "") or os.environ.get("MQTT_USERNAME")
    if name:
        password = unquote(address.password or "") or os.environ.get("MQTT_PASSWORD")
        client.username_pw_set(name, password)
    if address.scheme == "mqtts":
        client.tls_set()
    signal.signal(signal.SIGTERM, lambda *_: client.disconnect())
    signal.signal(signal.SIGINT, lambda *_: client.disconnect())
    port = address.port or (8883 if address.scheme == "mqtts" else 1883)
    try:
        consumer = Consumer(client, arguments.seen, arguments.topic, arguments.events)
        client.connect(address.hostname, port)
        client.loop_forever()  # connects again when the connection is lost
    except OSError as error:
        sys.exit(f"mqtt_consumer: {address.hostname}: {error.strerror or error}")
    except sqlite3.Error as error:  # what was not written down stays with the broker
        sys.exit(f"mqtt_consumer: {arguments.seen}: {error}")
    counts = {name: getattr(consumer, name) for name in ("events", "repeated", "strange")}
    print(json.dumps(counts), file=sys.stderr)
    if consumer.refused:
        sys.exit(f"mqtt_consumer: {address.hostname}: the broker refuses: {consumer.refused}")


if __name__ == "__main__":
    main()
