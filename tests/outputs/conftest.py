"""What the tests of sinks share: waiting, quick retries, a real MQTT broker."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeattr.outputs import spooled_output as spooled

from .mqtt_broker import Broker

_PATIENCE_S = 30.0


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Waits until something is so, however busy the machine is."""

    def wait(so: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not so():
            assert time.monotonic() < deadline, f"did not happen within {_PATIENCE_S} s"
            time.sleep(0.01)

    return wait


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again after moments."""
    monkeypatch.setattr(spooled, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(spooled, "_LONGEST_WAIT_S", 0.1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto that was not started yet."""
    pytest.importorskip("paho.mqtt.client")
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    broker = Broker(program, tmp_path / "mosquitto.conf")
    yield broker
    broker.kill()
