"""Who gets what: tokens, hosts, other sites, pictures, and what hostile requests get."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.web import RecentPeople, WebServer
from edgeattr.web.access import Access, is_loopback
from edgeattr.web.http_protocol import TimeoutProtocol

from .people import NAMES, camera, get, open_page, record

_TOKEN = "a token with ü and =;,"
_JPEG = b"\xff\xd8 a picture"


class _Answer:
    def __init__(self, server: WebServer, path: str, method: str = "GET", **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        with connection.getresponse() as answer:
            self.code, self.body, self.headers = answer.status, answer.read(), answer.headers
        connection.close()


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "crops"
    folder.mkdir()
    (folder / f"{record(1).id}.jpg").write_bytes(_JPEG)
    (folder.parent / "secret.jpg").write_bytes(_JPEG)
    (folder / f"{record(2).id}.jpg").write_bytes(_JPEG)
    return folder


@pytest.fixture(scope="module")
def server(crops: Path) -> Iterator[WebServer]:
    board = RecentPeople(NAMES, pictures=True)
    board.write(record(1, crop="/somewhere/x.jpg").to_json())
    with open_page(board, lambda: [camera("door")], crops=crops) as opened:
        yield opened


@pytest.fixture(scope="module")
def closed() -> Iterator[WebServer]:
    """A page that asks for a token."""
    with open_page(RecentPeople(NAMES), lambda: [], token=_TOKEN, hosts=["cams.test"]) as opened:
        yield opened


def test_what_is_served(server: WebServer) -> None:
    page = _Answer(server, "/")
    assert page.code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Access-Control-Allow-Origin"] is None
    assert page.headers["Server"] is None
    state = json.loads(_Answer(server, "/api/state").body)
    assert state["healthy"] is True
    assert state["streams"][0]["stream"] == "door"
    assert state["counts"]["people_since_start"] == 1
    people = json.loads(_Answer(server, "/api/people?attribute=hat&answer=no").body)
    assert people["matching"] == 1
    assert people["people"][0]["picture"] == f"crops/{record(1).id}.jpg"
    assert b"somewhere" not in _Answer(server, "/api/people").body
    assert json.loads(_Answer(server, f"/api/people/{record(1).id}").body)["track"] == 1
    assert _Answer(server, "/api/people/none").code == 404
    bad = _Answer(server, "/api/people?limit=x")
    assert (bad.code, json.loads(bad.body)["error"]) == (
        400, "limit is 'x'; expected 1 to 10000",
    )  # fmt: skip
    for limit in ("0000000019999999", "9" * 5000, "0", "10001"):
        assert _Answer(server, f"/api/people?limit={limit}").code == 400, limit
    assert _Answer(server, "/nothing").code == 404
    for method, path, code in (
        ("HEAD", "/", 200), ("HEAD", "/api/events", 200), ("POST", "/api/events", 405),
        ("DELETE", f"/crops/{record(1).id}.jpg", 405), ("OPTIONS", "/api/people", 405),
    ):  # fmt: skip
        assert _Answer(server, path, method).code == code, (method, path)


def test_health_is_that_of_the_metrics() -> None:
    streams = [camera("door"), camera("yard", state="stalled", error="no picture")]
    with open_page(RecentPeople(), lambda: streams) as server:
        answer = _Answer(server, "/api/health")
        assert answer.code == 503
        assert json.loads(answer.body)["reasons"] == ["yard: stalled (no picture)"]
        streams.pop()
        assert _Answer(server, "/api/health").code == 200


def test_a_bug_in_the_pipeline_s_answers_is_told_and_costs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def status() -> list[object]:
        raise RuntimeError("a bug")

    board = RecentPeople()
    with open_page(board, status) as server:  # type: ignore[arg-type]
        state = json.loads(_Answer(server, "/api/state").body)
        assert state["reasons"] == ["the state cannot be told: RuntimeError('a bug')"]
        board.people = None  # type: ignore[assignment, method-assign]
        assert _Answer(server, "/api/people").code == 500
        assert _Answer(server, "/").code == 200
    assert "a bug" in caplog.text


def test_pictures_by_id_and_nothing_else(server: WebServer, crops: Path) -> None:
    path = f"/crops/{record(1).id}.jpg"
    answer = _Answer(server, path)
    assert (answer.code, answer.body) == (200, _JPEG)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == "no-store"
    assert _Answer(server, f"/crops/{record(2).id}.jpg").code == 404, "of nobody who is known"
    for name in (
        "../secret", "..%2fsecret", "%2e%2e%2fsecret", "..%5csecret", "secret%00", "",
        f"{record(1).id}.jpg%00", f"../crops/{record(1).id}", f"{record(1).id}%0a", "%ff",
    ):  # fmt: skip
        assert _Answer(server, f"/crops/{name}.jpg").code == 404, name
    for name in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "index.html/../../app.py"):
        assert _Answer(server, f"/static/{name}").code == 404, name
    picture = crops / f"{record(1).id}.jpg"
    picture.unlink()  # its time is over
    assert _Answer(server, path).code == 404
    picture.symlink_to(crops.parent / "secret.jpg")
    assert _Answer(server, path).code == 404, "a link out of the folder"
    picture.unlink()
    picture.write_bytes(b"no picture")
    assert _Answer(server, path).code == 404, "no picture"
    picture.write_bytes(_JPEG + bytes(8 << 20))
    assert _Answer(server, path).code == 404, "too large"
    picture.unlink()
    picture.mkdir()
    assert _Answer(server, path).code == 404, "a folder"


def test_only_names_of_this_machine_and_no_other_site(server: WebServer, closed: WebServer) -> None:
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:9", "[::1]"):
        assert _Answer(server, "/api/people", Host=host).code == 200, host
    for host in ("evil.test", "127.0.0.1.evil.test", "localhost.evil.test:80", "", "[::1", "::2"):
        assert _Answer(server, "/api/people", Host=host).code == 421, host
    for site in ("cross-site", "same-site"):
        asked = {"Sec_Fetch_Site": site, "Origin": "http://evil.test"}
        for path in ("/api/people", "/api/events", f"/crops/{record(1).id}.jpg"):
            answer = _Answer(server, path, **asked, Sec_Fetch_Mode="no-cors")
            assert answer.code == 403
            assert answer.headers["Access-Control-Allow-Origin"] is None
        assert _Answer(server, "/", **asked, Sec_Fetch_Mode="navigate").code == 200
    for host in ("x/static/style.css?", "127.0.0.1/static/style.css?", "127.0.0.1?/static/"):
        answer = _Answer(closed, "/api/people", Host=host)  # no path that is open to all
        assert answer.code in (400, 401, 421)
        assert b"people" not in answer.body


def test_the_token_opens_everything_and_leaves_the_address(closed: WebServer) -> None:
    for path in ("/", "/api/state", "/api/events", "/static/index.js", "/crops/x.jpg", "/none"):
        refused = _Answer(closed, path)
        assert refused.code == 401, path
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert _Answer(closed, "/static/style.css").code == 200
    door = _Answer(closed, "/", Accept="text/html")
    assert (door.code, b"needs a token" in door.body) == (401, True)
    given = "a%20token%20with%20%C3%BC%20and%20%3D%3B%2C"
    welcome = _Answer(closed, f"/?token={given}&x=1")
    assert (welcome.code, welcome.headers["Location"]) == (303, "./?x=1")
    cookie = welcome.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "token" not in cookie
    known = cookie.partition(";")[0]
    assert _Answer(closed, "/api/state", Cookie=known).code == 200
    assert _Answer(closed, "/api/state", Cookie=known[:-1] + "x").code == 401
    assert _Answer(closed, f"/api/state?token={given}").headers["Location"] == "./state"
    assert _Answer(closed, f"//evil.test/?token={given}").headers["Location"] == "./"
    assert _Answer(closed, "/?token=" + given[:-1]).code == 401
    bearer = _TOKEN.encode().decode("latin-1")
    assert _Answer(closed, "/api/state", Authorization=f"Bearer {bearer}").code == 200
    assert _Answer(closed, "/api/state", Authorization="Bearer wrong").code == 401
    assert _Answer(closed, "/api/state", Authorization="Bearer").code == 401


def test_a_proxy_may_ask_under_a_name_that_was_told(closed: WebServer) -> None:
    bearer = {"Authorization": "Bearer " + _TOKEN.encode().decode("latin-1")}
    assert _Answer(closed, "/", Host="cams.test", **bearer).code == 200
    assert _Answer(closed, "/", Host="other.test", **bearer).code == 421
    given = "a%20token%20with%20%C3%BC%20and%20%3D%3B%2C"
    behind = _Answer(closed, f"/?token={given}", Host="cams.test", X_Forwarded_Proto="https")
    assert "Secure" in behind.headers["Set-Cookie"]


def test_beyond_this_machine_a_token_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "localhost", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "", "::", "192.0.2.1", "no such host.invalid")))
    with open_page(host="0.0.0.0") as server:
        assert server.made_up_token
        assert len(server.made_up_token) >= 32
        assert server.link == f"{server.address}?token={server.made_up_token}"
        assert "0.0.0.0" not in server.link
        assert _Answer(server, "/").code == 401
        bearer = f"Bearer {server.made_up_token}"
        assert _Answer(server, "/", Authorization=bearer, Host="any.test").code == 200
    assert Access("127.0.0.1").token is None
    assert Access("0.0.0.0").token != Access("0.0.0.0").token
    with pytest.raises(UsageError, match="0 characters"):
        Access("127.0.0.1", "")  # a mistake, and no wish for none


@pytest.mark.parametrize("value", ["short", ""])
def test_a_token_of_the_environment(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEATTR_WEB_TOKEN", "from the environment")
    assert Access("0.0.0.0").knows_token("from the environment")
    assert not Access("0.0.0.0").made_up
    assert Access("127.0.0.1").token == "from the environment", "one that is set always counts"
    assert Access("0.0.0.0", "of the site's file").knows_token("of the site's file")
    monkeypatch.setenv("EDGEATTR_WEB_TOKEN", value)
    with pytest.raises(UsageError, match=f"{len(value)} characters and is easily guessed"):
        Access("0.0.0.0")


def test_a_port_in_use_and_one_that_is_none(server: WebServer) -> None:
    with pytest.raises(OutputError, match=f"port {server.port}: Address already in use"):
        open_page(port=server.port)
    with pytest.raises(UsageError, match="port 99999"):
        open_page(port=99999)
    with pytest.raises(OutputError, match=r"192\.0\.2\.1"):
        open_page(host="192.0.2.1")


def test_all_addresses_of_ipv6_are_those_of_ipv4_too() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with open_page(host="::", token=_TOKEN) as server:
        for host in (urlsplit(server.link).hostname, "127.0.0.1", "::1"):
            shown = f"[{host}]" if ":" in str(host) else host
            assert get(f"http://{shown}:{server.port}", "/api/health")[0] == 401, host


def test_silent_many_and_garbled_visitors_leave_room_for_others(
    closed: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimeoutProtocol, "most", 5)
    monkeypatch.setattr(TimeoutProtocol, "patience_s", 0.5)

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", closed.port), timeout=10)

    silent = [connect() for _ in range(8)]
    silent[0].sendall(b"GET / HTTP/1.1\r\nHost: ")  # and never more
    for client in silent:
        with client:
            assert _ended(client), "each is sent away"
    with connect() as garbled:
        garbled.sendall(b"\x16\x03\x01\x00garbage\r\n\r\n")
        assert b"400" in garbled.recv(100)
    with connect() as client:
        client.sendall(b"GET /static/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while b"</svg>" not in client.recv(65536):
            pass
        client.sendall(b"G")
        assert _ended(client), "who says nothing more"
    assert _Answer(closed, "/static/style.css").code == 200


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.slow  # it asks the clock
def test_closing_is_quick_and_frees_the_port() -> None:
    before = threading.active_count()
    server = open_page()
    server.close()  # at once, before it has begun
    server.close()
    again = open_page(port=server.port)
    assert _Answer(again, "/").code == 200
    start = time.monotonic()
    again.close()
    assert time.monotonic() - start < 3.0
    while threading.active_count() > before:  # the event loop's workers end on their own
        assert time.monotonic() - start < 10.0, threading.enumerate()
        time.sleep(0.05)


@pytest.mark.slow  # it asks the clock
def test_silent_connections_keep_nobody_out(server: WebServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(400)]
    begun = time.monotonic()
    assert _Answer(server, "/api/state").code == 200
    assert time.monotonic() - begun < 5, "the silent ones are sent away after 10 s"
    for connection in silent:
        connection.close()
