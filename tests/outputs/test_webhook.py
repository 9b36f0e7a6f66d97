"""A webhook against a real web server."""

from __future__ import annotations

import email.utils
import hashlib
import hmac
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeattr.core.errors import InputError, OutputError, UsageError
from edgeattr.outputs import WebhookOptions, WebhookOutput
from edgeattr.outputs.http_transport import HttpTransport

from ..waiting import until
from .mqtt_broker import free_port
from .web_server import WebServer

_FINE = (200, dict[str, str]())


@pytest.fixture
def serve() -> Iterator[Callable[..., WebServer]]:
    made: list[WebServer] = []

    def make(*arguments: Any) -> WebServer:
        made.append(WebServer(*arguments))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def _hook(url: str, **options: Any) -> WebhookOutput:
    return WebhookOutput(WebhookOptions(url=url, **options))


def _event(number: int) -> dict[str, Any]:
    return {"type": "person", "stream": "Tür", "track": number}


def _tracks(server: WebServer) -> list[int]:
    return [json.loads(request.body)["track"] for request in server.requests]


@pytest.mark.usefixtures("quick")
def test_events_arrive_although_the_server_fails_in_every_way(
    serve: Callable[..., WebServer], spool: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(HttpTransport, "timeout_s", 0.5)
    answers = {0: (503, {}), 1: (429, {}), 2: (500, {}), 3: None, 5: (408, {}),
               6: (302, {"Location": "/elsewhere"})}  # fmt: skip
    server = serve(lambda number, _: answers.get(number, _FINE))
    with _hook(f"http://127.0.0.1:{server.port}/in?a=b", spool=spool) as sink:
        for number in range(4):
            sink.write(_event(number))
        until(lambda: sink.delivery().waiting == 0)
        assert sink.delivery().delivered == 4
        assert sink.delivery().refused == 0
    assert _tracks(server) == [0, 0, 0, 0, 0, 1, 1, 1, 2, 3]
    assert {request.path for request in server.requests} == {"/in?a=b"}
    assert server.requests[0].headers["Content-Type"] == "application/json"
    assert json.loads(server.requests[0].body) == _event(0)
    assert caplog.text.count("cannot send") == 1, "said once, not each time"
    assert "sends again" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_events_wait_until_a_server_comes_up(serve: Callable[..., WebServer], spool: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _hook(url, spool=spool) as away:
        for number in range(5):
            away.write(_event(number))
    with _hook(url, spool=spool) as sink:
        until(lambda: "Connection refused" in str(sink.delivery().trouble))
        server = serve(lambda *_: _FINE, port)
        until(lambda: sink.delivery().waiting == 0)
        assert sink.delivery().trouble is None
    assert _tracks(server) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("quick")
def test_what_the_server_refuses_is_counted_and_holds_up_nothing(
    serve: Callable[..., WebServer], spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(lambda _, request: (400, {}) if b'"track": 1}' in request.body else _FINE)
    url = f"http://127.0.0.1:{server.port}"
    with _hook(url, spool=spool) as sink:
        for number in range(3):
            sink.write(_event(number))
        until(lambda: sink.delivery().waiting == 0)
        assert (sink.delivery().delivered, sink.delivery().refused) == (2, 1)
    assert "refused (HTTP status 400)" in caplog.text
    assert _tracks(server) == [0, 1, 2]
    server.requests.clear()
    with _hook("http://127.0.0.1:1", spool=spool) as away:
        for number in range(5):
            away.write(_event(number))
    with _hook(url, spool=spool, batch=4) as sink:
        until(lambda: sink.delivery().waiting == 0)
        assert (sink.delivery().delivered, sink.delivery().refused) == (4, 1)
    sent = [[event["track"] for event in json.loads(request.body)] for request in server.requests]
    assert sent == [[0, 1, 2, 3], [0], [1], [2], [3], [4]], "of a bad array, each by itself"


@pytest.mark.usefixtures("quick")
def test_a_server_that_refuses_everything_is_trouble(
    serve: Callable[..., WebServer], spool: Path
) -> None:
    server = serve(lambda number, _: (401, {}) if number < 2 else _FINE)
    with _hook(f"http://127.0.0.1:{server.port}", spool=spool) as sink:
        sink.write(_event(0))
        sink.write(_event(1))
        until(lambda: sink.delivery().refused == 2)
        assert sink.delivery().nothing_taken
        assert sink.delivery().trouble == "all events so far were refused: HTTP status 401"
        sink.write(_event(2))
        until(lambda: sink.delivery().delivered == 1)
        assert not sink.delivery().nothing_taken
        assert sink.delivery().trouble is None


def test_a_second_run_is_told_what_can_be_done(spool: Path) -> None:
    with (
        _hook("http://127.0.0.1:9", spool=spool),
        pytest.raises(OutputError, match=r"end that one first.*spool.*under \[webhook\]"),
    ):
        _hook("http://127.0.0.1:9", spool=spool)


@pytest.mark.parametrize("kind", ["seconds", "date"])
@pytest.mark.usefixtures("quick")
def test_the_server_is_left_alone_for_as_long_as_it_asks(
    serve: Callable[..., WebServer], spool: Path, kind: str
) -> None:
    came: list[float] = []

    def answer(number: int, _: object) -> tuple[int, dict[str, str]]:
        came.append(time.time())
        date = email.utils.formatdate(time.time() + 2, usegmt=True)
        wait = {"seconds": "1", "date": date}[kind]
        return (503, {"Retry-After": wait}) if number == 0 else (204, {})

    server = serve(answer)
    with _hook(f"http://127.0.0.1:{server.port}", spool=spool) as sink:
        sink.write(_event(0))
        until(lambda: sink.delivery().delivered == 1)
    assert came[1] - came[0] > 0.9


@pytest.mark.usefixtures("quick")
def test_signatures_and_credentials(
    serve: Callable[..., WebServer], spool: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    server = serve(lambda number, _: (503, {}) if number == 0 else _FINE)
    with _hook(
        f"http://me:s3cret%21@127.0.0.1:{server.port}/h00k", secret="k3y", spool=spool
    ) as sink:
        sink.write(_event(0))
        until(lambda: sink.delivery().delivered == 1)
        assert sink.name == f"http://127.0.0.1:{server.port}"
    monkeypatch.setenv("WEBHOOK_TOKEN", "t0ken")
    with _hook(f"http://127.0.0.1:{server.port}/h00k", spool=spool) as sink:
        sink.write(_event(1))
        until(lambda: sink.delivery().delivered == 1)
    first, _, last = server.requests
    assert first.headers["Authorization"] == "Basic bWU6czNjcmV0IQ=="  # me:s3cret!
    signed = first.headers["X-Edgeattr-Timestamp"].encode() + b"." + first.body
    digest = hmac.new(b"k3y", signed, hashlib.sha256).hexdigest()
    assert first.headers["X-Edgeattr-Signature"] == f"sha256={digest}"
    assert last.headers["Authorization"] == "Bearer t0ken"
    assert "X-Edgeattr-Signature" not in last.headers
    for word in ("s3cret", "h00k", "t0ken", "k3y"):
        assert word not in caplog.text
    with pytest.raises(UsageError, match="give one of them") as caught:
        _hook("http://me:s3cret@host/h00k", spool=spool)
    assert not {"s3cret", "h00k"} & set(str(caught.value).split())


@pytest.mark.slow  # it asks the clock
def test_closing_takes_no_longer_than_promised_although_the_server_hangs(
    serve: Callable[..., WebServer], spool: Path
) -> None:
    server = serve(lambda *_: None)
    sink = _hook(f"http://127.0.0.1:{server.port}", spool=spool)
    sink.write(_event(0))
    until(lambda: server.requests)
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 3.0
    with _hook("http://127.0.0.1:1", spool=spool) as sink:
        assert sink.delivery().waiting == 1


@pytest.mark.parametrize(("url", "options", "said"), [
    ("ftp://host", {}, "expected http://HOST"), ("http://", {}, "expected http://HOST"),
    ("http://host/a b", {}, "percent-encoded"), ("http://host/\r\nX: y", {}, "percent-encoded"),
    ("http://host", {"batch": 0}, "at least 1"),
    ("https://host", {"ca": Path("absent.pem")}, "not a usable certificate"),
    ("http://host", {"ca": Path("absent.pem")}, "are for https://"),
    ("http://host", {"token": "t0ken\n"}, "without line breaks"),
    ("http://host", {"token": "tök€n"}, "printable ASCII"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(url: str, options: Any, said: str, spool: Path) -> None:
    with pytest.raises((UsageError, InputError), match=said):
        _hook(url, spool=spool, **options)
    assert not spool.exists()


def test_the_server_of_these_tests_takes_no_half_request(serve: Callable[..., WebServer]) -> None:
    """As one is where its sender is killed between head and body."""
    server = serve(lambda *_: _FINE)
    with socket.create_connection(("127.0.0.1", server.port)) as sender:
        sender.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{")
        sender.shutdown(socket.SHUT_WR)
        assert sender.recv(1) == b"", "hung up on, without an answer"
    assert not server.requests
