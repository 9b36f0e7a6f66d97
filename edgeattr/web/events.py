"""How the site is doing and who is seen, as server-sent events: resumed, never waited for."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from edgeattr.core.rate_limit import RateLimit
from edgeattr.core.timestamps import utc_text
from edgeattr.outputs.metrics_server import health
from edgeattr.web.page_content import PageContent

_LOG = logging.getLogger("edgeattr.web")
_FRESH = 0.9  # seconds for which all visitors get the same
_STEP = 0.25  # seconds between two looks for changes
_DIGITS = 18  # of a moment in an id; more are of no run
_BATCH = 40  # people in one message, so that little waits in memory for a slow visitor
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # a proxy shall not wait for more
]


class State:
    """Tells how streams, outputs and people are doing; once a second for all who ask.

    Args:
        content: tells how each of them is doing.
    """

    def __init__(self, content: PageContent) -> None:
        self._content = content
        self._started, self._version = utc_text(time.time()), _version()
        self._text, self._made = b"", float("-inf")
        self._log_limit = RateLimit()

    def text(self) -> bytes:
        """All of it as JSON, at most a second old."""
        if time.monotonic() - self._made >= _FRESH:
            self._text = json.dumps(self._current(), ensure_ascii=False).encode()
            self._made = time.monotonic()
        return self._text

    def streams(self) -> set[str]:
        """Names of the streams that are open."""
        return {stream.stream for stream in self._content.status()}

    def health(self) -> dict[str, Any]:
        """What ``/health`` of the metrics says, too; not well where it cannot be told."""
        try:
            return health(self._content.status(), self._content.outputs(), self._content.unopened())
        except Exception as error:
            if self._log_limit.allows():
                _LOG.exception("the state could not be told")
            reasons = [f"the state cannot be told: {error!r}"]
            return {"healthy": False, "reasons": reasons, "streams": [], "sinks": []}

    def _current(self) -> dict[str, Any]:
        content = self._content
        found, counts = self.health(), content.people.counts()
        names = {stream["stream"] for stream in found["streams"]}
        missing = {name: why for name, why in content.unopened().items() if name not in names}
        for key in ("crops_seen", "crops_classified"):
            counts[key] = sum(stream[key] for stream in found["streams"])
        return {
            "version": self._version,
            "time": utc_text(time.time()),
            "started": self._started,
            "pictures": content.people.pictures,
            **found,
            "unopened": [{"stream": name, "error": why} for name, why in missing.items()],
            "counts": counts,
            "live_pictures": content.live is not None,
            "store": content.store is not None,
            **content.happenings(),
        }


def _version() -> str:
    """Of edgeattr as it is installed; of a bare folder of its files nobody knows it."""
    try:
        return importlib.metadata.version("edgeattr")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


class Events:
    """What all visitors have in common.

    Args:
        content: what the page shows.
    """

    def __init__(self, content: PageContent) -> None:
        self.people, self.state = content.people, State(content)
        self.closing = False  # ends all streams within moments
        self.visitors = 0
        self._run = secrets.token_hex(4)  # ids of an earlier run mean nothing

    def id_of(self, at: int) -> str:
        """The id of an event after which the people are known up to a moment."""
        return f"{self._run}-{at}"

    def known_by(self, last: str | None) -> int | None:
        """Up to where a visitor knows the people, by the id of the last event that it got."""
        run, _, at = (last or "").partition("-")
        whole = at.isascii() and at.isdigit() and len(at) <= _DIGITS
        return int(at) if whole and run == self._run else None


class EventStream:
    """One visitor's stream, as an ASGI application.

    Events are ``clear`` (forget everybody), ``people`` (a list of new and changed ones), ``gone``
    (a list of ids), ``state``, and ``end`` when edgeattr ends.

    Args:
        events: what visitors have in common.
        last: the id of the last event that this one got before, if any.
    """

    state_s = 1.0  # between two tellings of how the site is doing
    beat_s = 10.0  # without a word, after which one is sent
    slow_s = 10.0  # that a visitor may take for one message
    most = 100  # visitors at once

    def __init__(self, events: Events, last: str | None) -> None:
        self._events = events
        self._known = events.known_by(last)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the visitor leaves, is too slow, or edgeattr ends."""
        if self._events.visitors >= self.most or self._events.closing:
            answer = JSONResponse({"error": f"{self.most} visitors are here already"}, 503)
            answer.headers["Retry-After"] = "5"
            await answer(scope, receive, send)
            return
        self._events.visitors += 1
        left = asyncio.ensure_future(_until_left(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            async for part in self._parts(left):
                body = {"type": "http.response.body", "body": part, "more_body": True}
                await asyncio.wait_for(send(body), self.slow_s)
            await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), self.slow_s)
        except asyncio.TimeoutError:  # the server hangs up where an answer has no end
            pass
        finally:
            self._events.visitors -= 1
            left.cancel()

    async def _parts(self, left: asyncio.Future[None]) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        told = said = float("-inf")  # when the state, and when anything was sent
        while not left.done():
            now = time.monotonic()
            if now - told >= self.state_s:
                told = now
                yield _message("state", self._events.state.text())
            for part in self._news():
                said = now
                yield part
            if self._events.closing:
                yield _message("end", b"{}")
                return
            if now - max(said, told) >= self.beat_s:
                said = now
                yield b": beat\n\n"
            await asyncio.wait([left], timeout=_STEP)

    def _news(self) -> list[bytes]:
        """Who has changed; the last message says up to where it is known then."""
        changes = self._events.people.changes(self._known)
        parts = [("clear", b"{}")] if changes.whole else []
        if changes.gone:
            parts.append(("gone", json.dumps(changes.gone).encode()))
        parts += [("people", people) for people in _batches(changes.people)]
        self._known = changes.at
        last = len(parts) - 1
        return [
            _message(kind, data, self._events.id_of(changes.at) if number == last else None)
            for number, (kind, data) in enumerate(parts)
        ]


def _batches(people: Sequence[bytes]) -> list[bytes]:
    starts = range(0, len(people), _BATCH)
    return [b"[" + b",".join(people[start : start + _BATCH]) + b"]" for start in starts]


def _message(kind: str, data: bytes, name: str | None = None) -> bytes:
    """JSON holds no line breaks of its own, so one line of data is enough."""
    head = f"id: {name}\n" if name else ""
    return f"{head}event: {kind}\ndata: ".encode() + data + b"\n\n"


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
