"""Metrics for Prometheus and a health check, over HTTP."""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import OutputError, UsageError, importing
from edgeattr.video.output import OutputStatus
from edgeattr.video.status import StreamStatus

_LOG = logging.getLogger("edgeattr.outputs")
_SLOW_S = 5.0  # a client that says nothing for so long is sent away


class MetricsServer(Closeable):
    """Answers ``GET /metrics`` and ``GET /health`` in threads of its own.

    Health is 200 while every live stream runs, all sources could be opened and all outputs are
    well, and 503 with the reasons otherwise.

    Args:
        status: tells how each stream is doing; called from other threads at each request.
        outputs: likewise each output.
        host: address to listen on; only this machine itself unless another is given.
        port: 0 takes a free one.
        unopened: why sources could not be opened, by their names; called likewise.

    Raises:
        UsageError: no such port.
        OutputError: the address or port cannot be had.
        MissingDependency: prometheus-client is not installed.
    """

    def __init__(
        self,
        status: Callable[[], Sequence[StreamStatus]],
        outputs: Callable[[], Sequence[OutputStatus]] = list,
        host: str = "127.0.0.1",
        port: int = 0,
        unopened: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        if not 0 <= port <= 65535:
            raise UsageError(f"metrics on port {port}: expected 0 to 65535")
        with importing("prometheus_client", extra="metrics", purpose="serve metrics"):
            from prometheus_client import CollectorRegistry

            from edgeattr.outputs.prometheus import Collector
        registry = CollectorRegistry()
        registry.register(Collector(status, outputs))
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self._server = _Server(
                found[0], _handler(registry, lambda: health(status(), outputs(), unopened()))
            )
        except OSError as error:
            raise OutputError(
                f"metrics cannot be served on {host} port {port}: {error.strerror}; choose another "
                "port, or 0 for a free one"
            ) from error
        self.port = int(self._server.server_address[1])
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(0.1,),
            name="edgeattr metrics",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port. May be called twice."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    """Not HTTPServer, which asks the name service who it is and may wait long for that."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, found: Any, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family, _, _, _, address = found
        super().__init__(address[:2], handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not worth a word."""
        _LOG.debug("a metrics client failed", exc_info=True)


def _handler(
    registry: Any, current: Callable[[], Mapping[str, Any]]
) -> type[BaseHTTPRequestHandler]:
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

    def metrics() -> tuple[int, str, bytes]:
        return 200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)

    def check() -> tuple[int, str, bytes]:
        found = current()
        body = json.dumps(found, ensure_ascii=False).encode()
        return (200 if found["healthy"] else 503), "application/json", body

    pages = {"/metrics": metrics, "/health": check}

    class Handler(BaseHTTPRequestHandler):
        timeout = _SLOW_S
        server_version = "edgeattr"
        sys_version = ""

        def do_GET(self) -> None:
            page = pages.get(self.path.split("?")[0])
            try:
                code, kind, body = page() if page else (404, "text/plain", b"/metrics, /health\n")
            except Exception:
                _LOG.exception("metrics could not be made")
                code, kind, body = 500, "text/plain", b"see the log\n"
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Requests are not logged."""

    return Handler


def health(
    streams: Sequence[StreamStatus], outputs: Sequence[OutputStatus], unopened: Mapping[str, str]
) -> dict[str, Any]:
    """``{"healthy", "reasons", "streams", "sinks"}``: well if every live stream runs, all sources
    could be opened, and no output is in trouble."""
    reasons = [f"{name}: cannot be opened ({why})" for name, why in unopened.items()]
    reasons += [
        f"{stream.stream}: {stream.state}" + (f" ({stream.error})" if stream.error else "")
        for stream in streams
        if stream.live and stream.state != "running"
    ]
    reasons += [f"{output.name}: {output.trouble}" for output in outputs if output.trouble]
    return {
        "healthy": not reasons,
        "reasons": reasons,
        "streams": [dataclasses.asdict(stream) for stream in streams],
        "sinks": [dataclasses.asdict(output) for output in outputs],
    }
