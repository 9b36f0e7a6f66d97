"""A real broker, a subscriber, and a line between broker and publisher that can be cut."""

from __future__ import annotations

import contextlib
import json
import selectors
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeattr.outputs import MqttOptions, MqttOutput


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """Mosquitto, without persistence: what it has not passed on dies with it."""

    def __init__(self, program: str, config: Path) -> None:
        self.port = free_port()
        self._program, self._config = program, config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *lines: str) -> None:
        """Start, and wait until it listens. The lines are added to its configuration."""
        texts = [
            "user root", "persistence false", "max_inflight_messages 0",
            f"listener {self.port} 127.0.0.1", *(lines or ["allow_anonymous true"]),
        ]  # fmt: skip
        self._config.write_text("\n".join(texts) + "\n")
        command = [self._program, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            assert self._process.poll() is None, "mosquitto ended"
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.01)

    def kill(self) -> None:
        """With SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """One that was not started yet, or a skip."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    broker = Broker(program, folder / "mosquitto.conf")
    try:
        yield broker
    finally:
        broker.kill()


class Subscriber:
    """Collects messages. QoS 0, so that the broker passes each on before it acknowledges it to
    the publisher, and keeps nothing back."""

    def __init__(self, port: int, topic: str, tls: Any = None, **client: Any) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages: list[tuple[str, bytes]] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        if client:
            self._client.username_pw_set(**client)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=0)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _, __, message: self.messages.append(
            (message.topic, message.payload)
        )
        self._client.connect("localhost" if tls else "127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(20), "no answer to the subscription"

    def numbers(self) -> list[int]:
        """Track numbers of the events, as they came."""
        return [json.loads(payload)["track"] for _, payload in list(self.messages)]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Line:
    """Passes bytes on between a port of its own and another, while it is open."""

    def __init__(self, target: int) -> None:
        self.open = True
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.open = False
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with near, contextlib.suppress(OSError):
                if self.open:
                    with socket.create_connection(("127.0.0.1", self._target)) as far:
                        self._pass_on(near, far)

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while self.open:
                for key, _ in selector.select(0.05):
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    if not data:
                        return
                    key.data.sendall(data)


def mqtt_output(url: str, **options: Any) -> MqttOutput:
    """An output to a broker."""
    return MqttOutput(MqttOptions(url=url, **options))
