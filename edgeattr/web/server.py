"""The page's server, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Sequence
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import OutputError, UsageError, importing
from edgeattr.web.access import Access
from edgeattr.web.page_content import PageContent

_LOG = logging.getLogger("edgeattr.web")
_GRACE = 2  # seconds in which answers under way may end when the server closes
_WAITING = 1 << 17  # bytes that the system keeps for a slow visitor
_CLOSE = 4.0  # seconds after which its thread is left alone


class WebServer(Closeable):
    """Serves the page.

    Args:
        content: what it shows.
        host: address to listen on; only this machine itself unless another is given.
        port: 0 takes a free one.
        token: what visitors must know; see :class:`edgeattr.web.access.Access`.
        hosts: further names under which the page may be asked for.

    Raises:
        UsageError: no such port, or a token that is easily guessed.
        OutputError: the address or port cannot be had.
        MissingDependency: Starlette or uvicorn is not installed.
    """

    def __init__(
        self,
        content: PageContent,
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        token: str | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        if not 0 <= port <= 65535:
            raise UsageError(f"the page on port {port}: expected 0 to 65535")
        access = Access(host, token, hosts)
        with importing("uvicorn", extra="web", purpose="show the live page"):
            import uvicorn

            from edgeattr.web.app import page_app
            from edgeattr.web.auth_middleware import AuthMiddleware
            from edgeattr.web.events import Events
        self._socket = _listen(host, port)
        self.port = int(self._socket.getsockname()[1])
        self.address = f"http://{_reachable(host)}:{self.port}/"
        self.made_up_token = access.token if access.made_up else None
        self._events = Events(content)
        guarded = AuthMiddleware(page_app(content, self._events), access, self.port)
        self._server = uvicorn.Server(_config(guarded))
        self._thread = threading.Thread(target=self._run, name="edgeattr page", daemon=True)
        self._thread.start()

    @property
    def link(self) -> str:
        """The page's address, with the token where one was made up."""
        return self.address + (f"?token={self.made_up_token}" if self.made_up_token else "")

    def close(self) -> None:
        """Tell visitors, send them away and free the port. May be called twice."""
        self._events.closing = True
        self._server.should_exit = True
        self._thread.join(_CLOSE)
        self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            _LOG.exception("the page is no longer shown; all else goes on")

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self._socket])
        for connection in list(self._server.server_state.connections):
            with contextlib.suppress(AttributeError):
                connection.transport.abort()  # of one who does not read
        await asyncio.sleep(0)


def _config(app: Any) -> Any:
    """How uvicorn serves an ASGI application."""
    import uvicorn

    from edgeattr.web.http_protocol import TimeoutProtocol

    return uvicorn.Config(
        app,
        http=TimeoutProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        both = address[0] == "::" and socket.has_dualstack_ipv6()  # IPv4 too: the link is of it
        opened = socket.create_server(address[:2], family=family, backlog=128, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        why = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        raise OutputError(
            f"the page cannot be served on {host} port {port}: {why}; choose another port, or 0 "
            "for a free one"
        ) from error
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WAITING)  # connections inherit it
    return opened


def _reachable(host: str) -> str:
    """As others write it: an address of this machine where it listens on all of them."""
    if host in ("", "0.0.0.0", "::"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing: only asks for the way there
                host = str(probe.getsockname()[0])
            except OSError:
                host = "127.0.0.1"
    return f"[{host}]" if ":" in host else host
