"""A real web server that answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Request(NamedTuple):
    path: str
    headers: Any
    body: bytes


class WebServer:
    """Collects requests.

    Args:
        answer: gives status and headers for each request, by its number, from 0; None hangs until
            the server is closed.
    """

    def __init__(
        self, answer: Callable[[int, Request], tuple[int, dict[str, str]] | None], port: int = 0
    ) -> None:
        self.requests: list[Request] = []
        self._lock, self._closing = threading.Lock(), threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the sender was killed amid its request
                    self.close_connection = True
                    return
                request = Request(self.path, self.headers, body)
                with owner._lock:
                    number = len(owner.requests)
                    owner.requests.append(request)
                said = answer(number, request)
                if said is None:
                    owner._closing.wait()
                    self.close_connection = True
                    return
                self.send_response(said[0])
                for key, value in said[1].items():
                    self.send_header(key, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
