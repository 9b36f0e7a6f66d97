"""MQTT against a real mosquitto."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import InputError, OutputError, UsageError

from ..waiting import until
from .mqtt_broker import Broker, Line, Subscriber, mqtt_output

pytest.importorskip("paho.mqtt.client")


def _event(number: int, stream: str = "door") -> dict[str, Any]:
    return {"type": "person", "stream": stream, "track": number, "attributes": {}}


@pytest.fixture
def subscribe() -> Iterator[Callable[..., Subscriber]]:
    made: list[Subscriber] = []

    def make(*args: Any, **options: Any) -> Subscriber:
        made.append(Subscriber(*args, **options))
        return made[-1]

    yield make
    for subscriber in made:
        subscriber.close()


@pytest.mark.usefixtures("quick")
def test_every_event_arrives_although_the_broker_is_killed_in_the_middle(
    broker: Broker, subscribe: Callable[..., Subscriber], tmp_path: Path
) -> None:
    broker.start()
    topic = "edgeattr/+/person"
    before = subscribe(broker.port, topic)
    with closing(Line(broker.port)) as line:
        sink = mqtt_output(f"mqtt://127.0.0.1:{line.port}", spool=tmp_path / "spool")
        for number in range(250):
            sink.write(_event(number))
        until(lambda: len(before.messages) > 100)
        broker.kill()
        for number in range(250, 500):
            sink.write(_event(number))
        line.open = False  # until somebody listens again, or the broker would tell nobody
        broker.start()
        after = subscribe(broker.port, topic)
        assert sink.delivery().waiting > 0
        line.open = True
        until(lambda: sink.delivery().waiting == 0)
        until(lambda: after.numbers()[-1:] == [499])
        sink.close()
    came = before.numbers() + after.numbers()
    assert list(dict.fromkeys(came)) == list(range(500)), "all, in order, repetitions aside"
    assert 500 <= sink.delivery().delivered < 700, "few are repeated"


def _status(payload: bytes) -> str:
    told = json.loads(payload)
    assert told["type"] == "status"
    return str(told["status"])


@pytest.mark.usefixtures("quick")
def test_topics_and_the_status_of_a_client_that_leaves(
    broker: Broker, subscribe: Callable[..., Subscriber], tmp_path: Path
) -> None:
    broker.start()
    subscriber = subscribe(broker.port, "#")
    url = f"mqtt://127.0.0.1:{broker.port}"
    sink = mqtt_output(url, client_id="cam/1", spool=tmp_path / "spool")
    sink.write(_event(1, "rtsp://host:554/a+b#c d"))
    sink.write({"type": "summary", "stream": ""})
    sink.write({"type": "stream", "stream": "Zoë", "state": "stalled"})
    until(lambda: sink.delivery().delivered == 3)
    sink.close()
    sink.close()
    until(lambda: len(subscriber.messages) == 5)
    topics = [topic for topic, _ in subscriber.messages]
    assert topics == [
        "edgeattr/cam_1/status", "edgeattr/rtsp:_host:554_a_b_c_d/person", "edgeattr/_/summary",
        "edgeattr/Zoë/stream", "edgeattr/cam_1/status",
    ]  # fmt: skip
    assert [_status(subscriber.messages[place][1]) for place in (0, 4)] == ["online", "offline"]
    assert all(isinstance(json.loads(payload), dict) for _, payload in subscriber.messages)
    assert json.loads(subscriber.messages[3][1])["stream"] == "Zoë"
    with pytest.raises(OutputError, match="closed"):
        sink.write(_event(2))


def test_the_broker_tells_that_a_client_was_killed(
    broker: Broker, subscribe: Callable[..., Subscriber], tmp_path: Path
) -> None:
    broker.start()
    subscriber = subscribe(broker.port, "edgeattr/cam/status")
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from edgeattr.outputs import MqttOptions, MqttOutput\n"
        "MqttOutput(MqttOptions(url=sys.argv[1], client_id='cam', spool=Path(sys.argv[2])))\n"
        "time.sleep(60)"
    )
    url = f"mqtt://127.0.0.1:{broker.port}"
    with subprocess.Popen([sys.executable, "-c", code, url, tmp_path / "spool"]) as client:
        until(lambda: [_status(said) for _, said in subscriber.messages] == ["online"])
        client.kill()
    until(lambda: [_status(said) for _, said in subscriber.messages] == ["online", "offline"])
    late = subscribe(broker.port, "edgeattr/cam/status")
    until(lambda: [_status(said) for _, said in late.messages] == ["offline"])  # retained


@pytest.mark.usefixtures("impatient")
def test_the_password_is_used_and_never_shown(
    broker: Broker, subscribe: Callable[..., Subscriber], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    secret = "p@ss/w:rd"
    words = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", words, "camera", secret], check=True)
    broker.start("allow_anonymous false", f"password_file {words}")
    subscriber = subscribe(broker.port, "edgeattr/+/person", username="camera", password=secret)
    for url in ("mqtt://camera:p%40ss%2Fw%3Ard@127.0.0.1", "mqtt://127.0.0.1"):
        with mqtt_output(f"{url}:{broker.port}", spool=tmp_path / "spool") as sink:
            sink.write(_event(1))
            until(lambda: sink.delivery().waiting == 0)
        monkeypatch.setenv("MQTT_USERNAME", "camera")
        monkeypatch.setenv("MQTT_PASSWORD", secret)
    until(lambda: len(subscriber.messages) == 2)
    wrong = f"mqtt://camera:wr0ng@127.0.0.1:{broker.port}"
    with mqtt_output(wrong, spool=tmp_path / "spool") as sink:
        sink.write(_event(2))
        until(lambda: "Not authorized" in str(sink.delivery().trouble))
        assert sink.delivery().waiting == 1, "kept until somebody mends the password"
        assert sink.name == f"mqtt://127.0.0.1:{broker.port}"
    assert "Not authorized" in caplog.text
    for word in ("p@ss", "p%40", "wr0ng"):
        assert word not in caplog.text
        assert not any(word in str(path) for path in tmp_path.rglob("*"))


@pytest.mark.usefixtures("impatient")
def test_tls_with_an_authority_of_ones_own(
    broker: Broker, subscribe: Callable[..., Subscriber], tmp_path: Path
) -> None:
    _certificates(tmp_path)
    broker.start(
        "allow_anonymous true", f"cafile {tmp_path}/ca.pem", f"certfile {tmp_path}/server.pem",
        f"keyfile {tmp_path}/server.key", "require_certificate true",
    )  # fmt: skip
    trust = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    trust.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
    subscriber = subscribe(broker.port, "edgeattr/+/person", tls=trust)
    url = f"mqtts://localhost:{broker.port}"
    ours = {"cert": tmp_path / "client.pem", "key": tmp_path / "client.key"}
    with mqtt_output(url, spool=tmp_path / "spool", **ours) as sink:  # the system's authorities
        sink.write(_event(1))
        until(lambda: "certificate verify failed" in str(sink.delivery().trouble))
        assert not subscriber.messages
    with mqtt_output(url, spool=tmp_path / "spool", ca=tmp_path / "ca.pem", **ours) as sink:
        until(lambda: sink.delivery().waiting == 0)
    until(lambda: subscriber.numbers() == [1])


@pytest.mark.slow  # it asks the clock
def test_closing_takes_no_longer_than_promised_although_nobody_answers(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        sink = mqtt_output(url, spool=tmp_path / "spool")
        sink.write(_event(1))
        start = time.monotonic()
        sink.close()
        assert time.monotonic() - start < 3.0
    with mqtt_output("mqtt://127.0.0.1:1", spool=tmp_path / "spool") as sink:
        assert sink.delivery().waiting == 1


def test_a_second_run_is_told_what_can_be_done() -> None:
    with (
        mqtt_output("mqtt://127.0.0.1:9"),
        pytest.raises(OutputError, match=r"end that one first.*client_id.*under \[mqtt\]"),
    ):
        mqtt_output("mqtt://127.0.0.1:9")
    with mqtt_output("mqtt://127.0.0.1:9"), mqtt_output("mqtt://127.0.0.1:9", client_id="second"):
        pass


@pytest.mark.parametrize(("url", "options", "said"), [
    ("http://host", {}, "expected mqtt://HOST"),
    ("mqtt://", {}, "expected mqtt://HOST"),
    ("mqtt://user:s3cret@host:port", {}, "expected mqtt://HOST"),
    ("mqtt://user:s3cret@ho st", {}, "percent-encoded"),
    ("mqtt://host/people", {}, "no path"),
    ("mqtt://host", {"topic": "a/#"}, "without [+] and #"),
    ("mqtt://host", {"topic": "a/{camera}"}, "only {stream}"),
    ("mqtt://host", {"topic": "a/{"}, "topic"),
    ("mqtt://host", {"ca": Path("ca.pem")}, "for mqtts"),
    ("mqtts://host", {"ca": Path(__file__)}, "not a usable certificate"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(url: str, options: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, InputError), match=said) as caught:
        mqtt_output(url, spool=tmp_path / "spool", **options)
    assert "s3cret" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def _certificates(folder: Path) -> None:
    """An authority, and certificates for localhost and for a client."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ours",
            "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    (folder / "more").write_text(
        "subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\nbasicConstraints=CA:FALSE\n"
    )
    for name in ("server", "client"):
        openssl("req", "-new", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "more",
                "-out", f"{name}.pem")  # fmt: skip
