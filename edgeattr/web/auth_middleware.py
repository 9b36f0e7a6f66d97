"""Stands before the page: lets nobody in who may not see it, and sends safe headers only."""

from __future__ import annotations

import logging
from urllib.parse import quote, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeattr.core.rate_limit import RateLimit
from edgeattr.web.access import Access
from edgeattr.web.app import STATIC

_LOG = logging.getLogger("edgeattr.web")
_OPEN_TO_ALL = frozenset(("/static/style.css", "/static/icon.svg"))  # for the page that asks
_MONTH = 30 * 86400  # seconds that a browser stays known
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class AuthMiddleware:
    """An ASGI application around another.

    Args:
        app: what is guarded.
        access: decides who may come in.
        port: that is listened on; tells the cookies of several pages on one machine apart.
    """

    def __init__(self, app: ASGIApp, access: Access, port: int) -> None:
        self._app, self._access = app, access
        self._cookie = f"edgeattr_{port}"
        self._log_limit = RateLimit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = False

        async def send_safely(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            answer = self._refusal(Request(scope)) or self._app
            await answer(scope, receive, send_safely)
        except Exception:
            if self._log_limit.allows():
                _LOG.exception("the page could not answer %r", scope.get("path"))
            if not begun:
                await _error(500, "see the log")(scope, receive, send_safely)

    def _refusal(self, request: Request) -> Response | None:
        """What is answered to one who may not come in, or must come again; None to others.

        The path is the scope's: that of ``request.url`` is put together with the Host header.
        """
        if not self._access.knows_host(request.headers.get("host", "")):
            return _error(421, "this page is for this machine alone; see [web] hosts")
        if _from_elsewhere(request):
            return _error(403, "this page is not for other sites")
        if self._access.token is None or request.scope["path"] in _OPEN_TO_ALL:
            return None
        given = request.query_params.get("token")
        if given is not None and self._access.knows_token(given):
            return self._welcome(request)
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._access.knows_token(bearer.strip().encode("latin-1")):
            return None
        if self._access.knows_cookie(request.cookies.get(self._cookie, "")):
            return None
        return _ask_for_token(request)

    def _welcome(self, request: Request) -> Response:
        """Keep the visitor known, and take the token out of the address."""
        rest = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
        # of the last part alone, so that it holds under a proxy's prefix and never leads elsewhere
        place = "./" + quote(request.scope["path"].rpartition("/")[2])
        answer = RedirectResponse(place + (f"?{urlencode(rest)}" if rest else ""), 303)
        answer.set_cookie(
            self._cookie,
            self._access.cookie,
            max_age=_MONTH,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return answer


def _from_elsewhere(request: Request) -> bool:
    """Whether another site's page asks, other than by a link."""
    site = request.headers.get("sec-fetch-site", "none")
    linked = request.headers.get("sec-fetch-mode") == "navigate"
    return site in ("cross-site", "same-site") and not linked


def _ask_for_token(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return FileResponse(STATIC / "denied.html", 401)
    answer = _error(401, "a token is needed: Authorization: Bearer TOKEN, or the link with ?token=")
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _error(code: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, code)
