"""What the page's server answers."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from edgeattr.core.errors import UsageError
from edgeattr.web.events import Events, EventStream
from edgeattr.web.people_filter import PeopleFilter
from edgeattr.web.thumbnail_files import read_picture

__all__ = ["STATIC", "page_app"]

STATIC = Path(__file__).with_name("static")  # the files that the page is made of


def page_app(events: Events, crops: Path | None) -> ASGIApp:
    """The page, its files, people's pictures, and the interface for other programs.

    Args:
        events: tell what changes.
        crops: the folder of people's pictures; absent where none are kept.
    """
    board, state = events.board, events.state

    def picture(request: Request) -> Response:
        name = request.path_params["name"]
        known = board.person(name) is not None  # nobody is shown for longer than their record
        content = read_picture(crops, name) if crops and known else None
        return Response(content, media_type="image/jpeg") if content else _missing("picture", name)

    def how(request: Request) -> Response:
        return Response(state.text(), media_type="application/json")

    def well(request: Request) -> Response:
        found = state.health()
        return JSONResponse(found, 200 if found["healthy"] else 503)

    def people(request: Request) -> Response:
        try:
            wanted = PeopleFilter.from_query(request.query_params)
        except UsageError as error:
            return JSONResponse({"error": str(error)}, 400)
        found = [person for person in board.people() if wanted.matches(person)]
        return JSONResponse({"matching": len(found), "people": found[: wanted.limit]})

    def person(request: Request) -> Response:
        name = request.path_params["name"]
        found = board.person(name)
        return JSONResponse(found) if found else _missing("person", name)

    return Starlette(
        routes=[
            Route("/", lambda request: FileResponse(STATIC / "index.html")),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/crops/{name}.jpg", picture),
            Route("/api/state", how),
            Route("/api/health", well),
            Route("/api/people", people),
            Route("/api/people/{name}", person),
            Route("/api/events", _Stream(events), methods=["GET"]),
        ]
    )


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


def _missing(what: str, name: str) -> JSONResponse:
    return JSONResponse({"error": f"no {what} {name[:80]!r}"}, 404)
