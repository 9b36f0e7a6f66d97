"""Records and cameras for the tests of the page, and a client of its server."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from edgeattr.core.prediction import Answer, AttributeAnswer, TrackRecord
from edgeattr.video.status import StreamStatus
from edgeattr.web import PageContent, RecentPeople, WebServer

NAMES = ("hat", "backpack", "long_hair")
_P: dict[Answer, float] = {"yes": 0.93, "no": 0.04, "unknown": 0.55}

DOOR = StreamStatus(
    stream="door", state="running", live=True, frames_in=100, frames=90, dropped_frames=8,
    frames_waiting=2, frames_damaged=3, reconnects=1, detections=50, people=4, crops_seen=40,
    crops_classified=9, seconds=9.5, frames_per_second=9.9, last_frame_s=0.04,
)  # fmt: skip


def camera(name: str, **changes: Any) -> StreamStatus:
    return dataclasses.replace(DOOR, stream=name, **changes)


def record(number: int, stream: str = "door", *answers: Answer, **changes: Any) -> TrackRecord:
    """Person number so and so, with answers for the first attributes and no for the rest."""
    said = [*answers, *(["no"] * len(NAMES))][: len(NAMES)]
    values: dict[str, Any] = {
        "stream": stream,
        "track": number,
        "first_s": 1.0,
        "last_s": 4.0 + number,
        "frames": 30,
        "crops_classified": 3,
        "box": (1.0, 2.0, 3.0, 4.0),
        "attributes": {
            name: AttributeAnswer(_P[answer], answer)  # type: ignore[index]
            for name, answer in zip(NAMES, said, strict=True)
        },
        "labels": ("red top", "long hair"),
        "id": str(uuid.UUID(int=number + 1)),
        "time": "2026-11-25T19:30:00.000Z",
    }
    return TrackRecord(**{**values, **changes})


def open_page(
    board: RecentPeople | None = None,
    status: Callable[[], Any] = list,
    *,
    token: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    hosts: Sequence[str] = (),
    **content: Any,
) -> WebServer:
    """The page of some people and cameras, on a free port."""
    shown = PageContent(people=board or RecentPeople(), status=status, **content)
    return WebServer(shown, token=token, host=host, port=port, hosts=hosts)


def get(address: str, path: str, **query: Any) -> tuple[int, Any]:
    """Status and content of an answer; JSON as what it holds."""
    parts = urlsplit(address)
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=20)) as connection:
        connection.request("GET", f"{path}?{urlencode(query)}")
        with connection.getresponse() as answer:
            content, kind = answer.read(), answer.headers.get("Content-Type", "")
    return answer.status, json.loads(content) if "json" in kind else content


class Client:
    """Server-sent events off a plain socket: what a browser's EventSource reads."""

    def __init__(self, address: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(address)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=20)
        lines = [f"GET {parts.path or '/'}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._file = self.socket.makefile("rb")
        self.code = int(self._file.readline().split()[1])
        self.headers = dict(self._header_lines())

    def _header_lines(self) -> Iterator[tuple[str, str]]:
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            yield name.lower(), value.strip()

    def events(self) -> Iterator[tuple[str, Any, str]]:
        """Kind, data and id of each event; ends when the server ends the stream."""
        found: dict[str, str] = {}
        rest = b""
        while (size := int(self._file.readline() or b"0", 16)) > 0:
            rest += self._file.read(size)
            self._file.readline()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                name, _, value = line.decode().partition(": ")
                if line and name in ("event", "data", "id"):
                    found[name] = value
                elif not line and "event" in found:
                    yield found["event"], json.loads(found["data"]), found.get("id", "")
                    found = {}

    def until(self, kind: str) -> tuple[Any, str]:
        """The next event of a kind: its data and id."""
        for found, data, name in self.events():
            if found == kind:
                return data, name
        raise AssertionError(f"the stream ended without {kind}")

    def close(self) -> None:
        self._file.close()
        self.socket.close()
