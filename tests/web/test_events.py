"""Server-sent events, over real connections."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from edgeattr.web import RecentPeople, WebServer
from edgeattr.web.events import EventStream

from ..waiting import until
from .people import NAMES, Client, camera, open_page, record


@pytest.fixture
def board() -> RecentPeople:
    return RecentPeople(NAMES)


@pytest.fixture
def page(board: RecentPeople) -> Iterator[WebServer]:
    with open_page(board, lambda: [camera("door")]) as opened:
        yield opened


def _stream(page: WebServer, **headers: str) -> Client:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(page.address + "api/events", named)


def test_everything_first_and_then_what_changes(board: RecentPeople, page: WebServer) -> None:
    for number in range(90):
        board.write(record(number).to_json())
    client = _stream(page)
    assert client.code == 200
    assert client.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert client.headers["x-accel-buffering"] == "no"
    events = client.events()
    state = next(events)
    assert (state[0], state[1]["streams"][0]["stream"]) == ("state", "door")
    assert next(events)[0] == "clear"
    batches = [next(events) for _ in range(3)]
    assert [len(batch[1]) for batch in batches] == [40, 40, 10]
    assert [bool(batch[2]) for batch in batches] == [False, False, True], "one id, at the end"
    told = [person["track"] for _, batch, _ in batches for person in batch]
    assert told == list(range(90))
    board.watch("door", [record(100)])
    people, _ = client.until("people")
    assert [(person["track"], person["in_view"]) for person in people] == [(100, True)]
    board.watch("door", [])
    assert client.until("gone")[0] == [record(100).id]
    client.until("state")
    client.close()


def test_a_stream_goes_on_where_it_broke_off(board: RecentPeople, page: WebServer) -> None:
    board.write(record(1).to_json())
    client = _stream(page)
    _, last = client.until("people")
    client.close()
    board.write(record(2).to_json())
    for again in (
        _stream(page, Last_Event_ID=last),
        Client(f"{page.address}api/events?since={last}"),
    ):
        kinds = [next(again_events) for again_events in [again.events()] for _ in range(2)]
        assert [kind for kind, _, _ in kinds] == ["state", "people"]
        assert [person["track"] for person in kinds[1][1]] == [2]
        again.close()
    run = last.partition("-")[0]
    for unknown in ("other-1", f"{last}0", f"{run}-²", f"{run}-{'1' * 5000}", "", "-"):
        other = _stream(page, Last_Event_ID=unknown.encode().decode("latin-1"))
        events = other.events()
        assert [next(events)[0] for _ in range(2)] == ["state", "clear"], unknown
        other.close()


def test_silence_is_broken_by_a_beat(page: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventStream, "state_s", 60.0)
    monkeypatch.setattr(EventStream, "beat_s", 0.3)
    with _visitor(page) as client:
        heard = b""
        while heard.count(b": beat\n\n") < 2:
            heard += client.recv(4096)
    assert heard.count(b"event: state") == 1


def _visitor(page: WebServer, buffer: int = 4096) -> socket.socket:
    """One who asks, and reads as the test does."""
    client = socket.socket()
    client.settimeout(10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", page.port))
    client.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


@pytest.mark.slow  # it asks the clock
def test_fifty_visitors_and_slow_ones_do_not_hold_up_those_who_write(
    board: RecentPeople, page: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventStream, "slow_s", 1.0)
    slow = [_visitor(page) for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor(16) as opening:
        clients = list(opening.map(lambda number: _stream(page), range(50)))
    assert {client.code for client in clients} == {200}
    took = []
    end = time.monotonic() + 1.0
    number = 0
    while time.monotonic() < end:
        number += 1
        begun = time.perf_counter()
        board.watch("door", [record(1000 + number % 3, frames=number)])
        board.write(record(number % 400).to_json())
        took.append(time.perf_counter() - begun)
        time.sleep(0.002)
    board.write(record(999).to_json())
    assert statistics.median(took) < 0.005, "two events"
    with concurrent.futures.ThreadPoolExecutor(16) as reading:
        assert all(reading.map(_hears_of_999, clients))
    for turn in range(40):  # more than fits into what lies between
        for one in range(100):
            board.write(record(one, frames=turn).to_json())
        time.sleep(0.1)
    for client in slow:
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1 << 16):  # a timeout where it was not sent away
                pass
    begun = time.monotonic()
    page.close()  # with all of them connected
    assert time.monotonic() - begun < 4.0
    with concurrent.futures.ThreadPoolExecutor(16) as reading:
        assert any(reading.map(_hears_the_end, clients)), "on a busy machine some were too slow"
    for client in (*clients, *slow):
        client.close()


def _hears_of_999(client: Client) -> bool:
    return any(
        person["track"] == 999
        for kind, data, _ in client.events()
        if kind == "people"
        for person in data
    )


def _hears_the_end(client: Client) -> bool:
    try:
        return [kind for kind, _, _ in client.events()][-1] == "end"
    except (OSError, IndexError, ValueError):
        return False


def test_one_too_many_is_told_to_come_again(
    page: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventStream, "most", 2)
    clients = [_stream(page) for _ in range(3)]
    assert [client.code for client in clients] == [200, 200, 503]
    assert clients[2].headers["retry-after"] == "5"
    for client in clients:
        client.close()

    def let_in() -> bool:
        with contextlib.closing(_stream(page)) as client:
            return client.code == 200

    until(let_in)  # once those who have gone are noticed


def test_a_server_that_fails_is_told_and_harms_nobody(
    board: RecentPeople, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(self: Any, sockets: Any) -> None:
        raise RuntimeError("a bug of the server")

    monkeypatch.setattr("uvicorn.Server.serve", serve)
    with open_page(board, lambda: []):
        until(lambda: "the page is no longer shown; all else goes on" in caplog.text)
        board.write(record(1).to_json())
    until(lambda: "edgeattr page" not in {thread.name for thread in threading.enumerate()})
