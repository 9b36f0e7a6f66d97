"""What the page's server answers."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from edgeattr.core.errors import InputError, QueryError, UsageError
from edgeattr.report import render
from edgeattr.web.events import Events, EventStream
from edgeattr.web.page_content import PageContent
from edgeattr.web.recent_people import shown_person

_LOG = logging.getLogger("edgeattr.web")
STATIC = Path(__file__).with_name("static")  # the files that the page is made of
_PAGES = Path(__file__).with_name("pages")  # their templates
PAGES = {"/": "index", "/person": "person", "/search": "search", "/zones": "zones"}
_SHEET = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # of evidence
_LONGEST_WAIT = 2.0  # seconds for the first live picture of a camera
_STEP = 0.05  # seconds between two looks for it
_WAITING = 100  # requests at once that wait for one
_LARGEST = 8 << 20  # bytes of a picture
_STARTS = {"jpg": b"\xff\xd8", "explain.html": b"<!DOCTYPE html>"}  # by the end of the name
_ANSWERS = ("yes", "no", "unknown")
_MOST = 10_000  # people in one answer
_DIGITS = 5  # of such a number; int() refuses thousands of them
_FLAGS = {"true": True, "false": False}


def page_app(content: PageContent, events: Events) -> ASGIApp:
    """The page, its files, people's pictures, and the interface for other programs."""
    answers = _Answers(content, events)
    pages = [Route(path, _page(name)) for path, name in PAGES.items()]
    return Starlette(
        routes=[
            *pages,
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/crops/{name}.jpg", answers.crop),
            Route("/evidence/{name}.html", answers.evidence),
            Route("/live.jpg", answers.live_picture),
            Route("/api/state", answers.state),
            Route("/api/health", answers.health),
            Route("/api/people", answers.people),
            Route("/api/people/{name}", answers.person),
            Route("/api/search", answers.search),
            Route("/api/names", answers.names),
            Route("/api/events", _Stream(events), methods=["GET"]),
        ]
    )


class _Answers:
    """The routes that answer once. Those that are not async run in threads of their own."""

    def __init__(self, content: PageContent, events: Events) -> None:
        self._content, self._people, self._state = content, content.people, events.state
        self._waiting = 0

    def crop(self, request: Request) -> Response:
        return self._picture(request, self._content.crops, "jpg", "image/jpeg")

    def evidence(self, request: Request) -> Response:
        answer = self._picture(request, self._content.evidence, "explain.html", "text/html")
        answer.headers["Content-Security-Policy"] = _SHEET
        return answer

    def _picture(
        self, request: Request, folder: Path | None, ending: str, media_type: str
    ) -> Response:
        """Of people who are known alone: nobody is shown for longer than their record."""
        name = request.path_params["name"]
        known = folder is not None and _ID.fullmatch(name) and self._record(name) is not None
        content = _read_picture(folder / f"{name}.{ending}", ending) if folder and known else None
        return Response(content, media_type=media_type) if content else _missing("picture", name)

    async def live_picture(self, request: Request) -> Response:
        """The latest annotated picture of a camera; waits a moment for the first."""
        live, stream = self._content.live, request.query_params.get("stream", "")
        if live is None:
            return _error("live pictures are off; see --web-pictures", 404)
        if stream not in self._state.streams():
            return _missing("camera", stream)
        if self._waiting >= _WAITING:
            return _error("too many wait for pictures", 503)
        self._waiting += 1
        try:
            end = time.monotonic() + _LONGEST_WAIT
            while not (picture := live.ask(stream)) and time.monotonic() < end:
                await asyncio.sleep(_STEP)
        finally:
            self._waiting -= 1
        if not picture:
            return Response(status_code=204)  # it gives none now
        return Response(picture, media_type="image/jpeg")

    def state(self, request: Request) -> Response:
        return Response(self._state.text(), media_type="application/json")

    def health(self, request: Request) -> Response:
        found = self._state.health()
        return JSONResponse(found, 200 if found["healthy"] else 503)

    def people(self, request: Request) -> Response:
        try:
            wanted = PeopleFilter.from_query(request.query_params)
        except UsageError as error:
            return _error(str(error), 400)
        found = [person for person in self._people.people() if wanted.matches(person)]
        return JSONResponse({"matching": len(found), "people": found[: wanted.limit]})

    def person(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = self._record(name)
        return JSONResponse(found) if found else _missing("person", name)

    def search(self, request: Request) -> Response:
        """People of the store, by a query of `edgeattr find`; errors with the place in it."""
        if self._content.store is None:
            return _error("no store is kept; see --store", 404)
        query = request.query_params.get("query", "").strip() or None
        try:
            limit = limit_of(request.query_params)
            total, records = self._content.store.find(query, limit)
        except QueryError as error:
            text = str(error).partition("\n")[0]
            return JSONResponse({"error": text, "span": error.span}, 400)
        except UsageError as error:
            return _error(str(error), 400)
        except InputError as error:
            return self._unreadable(error)
        return JSONResponse({"matching": total, "people": list(map(self._shown, records))})

    def names(self, request: Request) -> Response:
        """What queries can name."""
        if self._content.store is None:
            return _error("no store is kept; see --store", 404)
        try:
            return JSONResponse(self._content.store.names())
        except InputError as error:
            return self._unreadable(error)

    def _unreadable(self, error: InputError) -> Response:
        """Without the path: files of this machine are nobody's business."""
        _LOG.error("the page cannot search: %s", error)
        return _error("the store cannot be read now; the log says why", 503)

    def _record(self, name: str) -> dict[str, Any] | None:
        """A person of the page's memory, or of the store."""
        if found := self._people.person(name):
            return found
        try:
            record = self._content.store.person(name) if self._content.store else None
        except InputError:  # the search says why
            return None
        return self._shown(record) if record else None

    def _shown(self, record: dict[str, Any]) -> dict[str, Any]:
        content = self._content
        return shown_person(record, pictures=bool(content.crops), evidence=bool(content.evidence))


class _Stream:
    """The route of server-sent events."""

    def __init__(self, events: Events) -> None:
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":  # comes with every GET
            await Response(media_type="text/event-stream")(scope, receive, send)
            return
        request = Request(scope)
        last = request.headers.get("last-event-id") or request.query_params.get("since")
        await EventStream(self._events, last)(scope, receive, send)


def _page(name: str) -> Callable[[Request], Response]:
    """What answers with one of the pages."""
    text = render(_PAGES / f"{name}.html", page=name)
    return lambda request: HTMLResponse(text)


def _error(text: str, code: int) -> JSONResponse:
    return JSONResponse({"error": text}, code)


def _missing(what: str, name: str) -> JSONResponse:
    return _error(f"no {what} {name[:80]!r}", 404)


_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _read_picture(path: Path, ending: str) -> bytes | None:
    """A JPEG, or a page; None where it was never kept, is deleted, or is something else."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return None
        with os.fdopen(number, "rb", closefd=False) as file:
            content = file.read(_LARGEST + 1)
    except OSError:  # of a disk
        return None
    finally:
        os.close(number)
    return content if content.startswith(_STARTS[ending]) and len(content) <= _LARGEST else None


@dataclass(frozen=True, kw_only=True)
class PeopleFilter:
    """People who are asked for; what is absent does not matter."""

    stream: str | None = None  # where they were seen
    attribute: str | None = None  # that was answered
    answer: str = "yes"  # with that
    text: str = ""  # in the stream's or an attribute's name that they have; "_" is like " "
    in_view: bool | None = None
    limit: int = 100  # people at most

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> PeopleFilter:
        """Of a web address's query.

        Raises:
            UsageError: an unknown key, or a value that makes no sense.
        """
        known = ("stream", "attribute", "answer", "text", "in_view", "limit")
        if unknown := sorted(set(query) - set(known)):
            raise UsageError(f"unknown key {unknown[0]!r}; expected {', '.join(known)}")
        answer, flag = query.get("answer"), query.get("in_view")
        if answer is not None and (answer not in _ANSWERS or "attribute" not in query):
            raise UsageError("answer is yes, no or unknown, and goes with attribute")
        if flag is not None and flag not in _FLAGS:
            raise UsageError(f"in_view is {flag!r}; expected true or false")
        return cls(
            stream=query.get("stream"),
            attribute=query.get("attribute"),
            answer=answer or "yes",
            text=query.get("text", "").strip().lower(),
            in_view=None if flag is None else _FLAGS[flag],
            limit=limit_of(query),
        )

    def matches(self, person: Mapping[str, Any]) -> bool:
        """Whether one person is asked for."""
        answers = {name: value["answer"] for name, value in person["attributes"].items()}
        return (
            (self.stream is None or person["stream"] == self.stream)
            and (self.attribute is None or answers.get(self.attribute) == self.answer)
            and (self.in_view is None or person["in_view"] == self.in_view)
            and (not self.text or self._mentions(person["stream"], answers))
        )

    def _mentions(self, stream: str, answers: Mapping[str, str]) -> bool:
        names = (name for name, answer in answers.items() if answer == "yes")
        text = self.text.replace("_", " ")
        return any(text in name.lower().replace("_", " ") for name in (stream, *names))


def limit_of(query: Mapping[str, str]) -> int:
    """How many people a web address asks for, at most.

    Raises:
        UsageError: no number, or too many.
    """
    limit = query.get("limit", "100")
    whole = limit.isascii() and limit.isdigit() and len(limit) <= _DIGITS
    if not (whole and 1 <= int(limit) <= _MOST):
        raise UsageError(f"limit is {limit[:20]!r}; expected 1 to {_MOST}")
    return int(limit)
