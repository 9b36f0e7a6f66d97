import logging
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import MissingDependency, OutputError
from edgeattr.outputs import EventsFile, MetricsServer, StoreWriter
from edgeattr.video.output import FailsafeOutput

from ..conftest import json_lines
from ..outputs.mqtt_broker import mqtt_output
from ..search.store.person_events import person
from ..small_disk import small_disk


class _Broken:
    name, promise = "broken", "nothing"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def write(self, event: Mapping[str, Any]) -> None:
        if event.get("bad"):
            raise self.error

    def close(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [OutputError("the disk is full"), ZeroDivisionError("a bug")])
def test_failures_are_counted_logged_once_and_never_raised(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sink = FailsafeOutput(_Broken(error))
    sink.write({})
    assert sink.status().trouble is None

    def write() -> None:
        for _ in range(100):
            sink.write({"bad": True})
            sink.write({})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.write({"bad": True})
    assert (sink.written, sink.failures) == (401, 401)
    assert str(error) in str(sink.status().trouble)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert bool(caplog.records[0].exc_info) == isinstance(error, ZeroDivisionError)
    sink.close()
    assert sink.failures == 402


def test_interrupts_pass() -> None:
    class Interrupted(_Broken):
        def write(self, event: Mapping[str, Any]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FailsafeOutput(Interrupted(OutputError(""))).write({})


def test_a_full_disk_costs_events_only_while_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "events.jsonl"
    with small_disk(path.parent) as fill:
        sink = FailsafeOutput(EventsFile(path))
        fill(True)
        for _ in range(400):
            sink.write({"text": "x" * 4000})
        assert sink.failures > 0
        assert "events.jsonl" in str(sink.status().trouble)
        fill(False)
        sink.write({})
        assert sink.status().trouble is None
        assert sink.written + sink.failures == 401
        sink.close()
        assert len(json_lines(path)) == sink.written, "and no half line"


def test_a_sink_that_sends_tells_what_waits(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    sink = FailsafeOutput(mqtt_output("mqtt://127.0.0.1:1", spool=tmp_path / "spool"))
    sink.write({"type": "person"})
    delivery = sink.status().delivery
    assert (delivery.waiting, delivery.delivered) == (1, 0)
    sink.close()
    delivery = sink.status().delivery
    assert delivery.waiting == 1, "what waited at the end is told after it"
    store = FailsafeOutput(StoreWriter(tmp_path / "store"))
    assert store.status().delivery is None
    store.close()


def test_a_missing_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingDependency, match=r'pip install "edgeattr\[mqtt\]"'):
        mqtt_output("mqtt://127.0.0.1", spool=tmp_path / "spool")
    with pytest.raises(MissingDependency, match=r'pip install "edgeattr\[metrics\]"'):
        MetricsServer(lambda: [])


def test_only_what_is_taken_counts_as_written(tmp_path: Path) -> None:
    class Watcher(_Broken):
        def watch(self, stream: str, records: object) -> None:
            """Take in who is in view."""

    watcher = FailsafeOutput(Watcher(OutputError("")))
    watcher.watch("door", [])
    assert watcher.status().written == 0
    store = FailsafeOutput(StoreWriter(tmp_path / "people.sqlite"))
    store.write({"type": "zone"})
    store.write(person(1))
    assert store.status().written == 1
    store.close()


def test_a_broker_is_not_told_who_is_in_view(tmp_path: Path) -> None:
    with mqtt_output("mqtt://127.0.0.1:1", spool=tmp_path / "spool") as output:
        assert not FailsafeOutput(output).takes("watch")
