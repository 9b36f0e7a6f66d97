"""What MQTT and HTTP share: an address with credentials, TLS, and how events are sent."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from edgeattr.core.errors import InputError, UsageError
from edgeattr.outputs.spool import Entry


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a service is, and as whom to speak to it."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)  # with the query; a web hook may have a secret in it
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """For logs and messages: without credentials, path and query."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def parse(cls, url: str, ports: Mapping[str, int]) -> Address:
        """Read a URL.

        Args:
            url: ``SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]``; user and password may
                be percent-encoded.
            ports: the schemes that are understood, and their usual ports.

        Raises:
            UsageError: not such a URL; the text does not repeat it, for what may be in it.
        """
        expected = " or ".join(f"{scheme}://HOST[:PORT]" for scheme in ports)
        if any(not 0x20 < ord(letter) < 0x7F for letter in url):
            raise UsageError(
                f"an address has characters that must be percent-encoded; expected {expected}"
            )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise UsageError(f"an address cannot be understood; expected {expected}") from None
        if parts.scheme not in ports or not host or port == 0:
            raise UsageError(f"an address cannot be understood; expected {expected}")
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or ports[parts.scheme],
            path=parts.path + (f"?{parts.query}" if parts.query else ""),
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )


def client_tls(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS for a connection to a server, whose name and certificate are checked.

    Args:
        ca: certificates of the authorities to trust, PEM; those of the system if not given.
        cert: our own certificate, PEM.
        key: its key, PEM, if it is not in the same file.

    Raises:
        InputError: a file cannot be read or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
        context.sslsocket_class = _Socket
        if cert:
            context.load_cert_chain(cert, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        names = ", ".join(str(path) for path in (ca, cert, key) if path)
        raise InputError(f"{names}: not a usable certificate or key, PEM ({error})") from error
    return context


class _Socket(ssl.SSLSocket):
    """Closes itself if the handshake fails, where its user would forget it."""

    def do_handshake(self, block: bool = False) -> None:
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            super().do_handshake(block)
            failed.pop_all()


@dataclass(frozen=True)
class SendResult:
    """What a server did with some events."""

    delivered: tuple[int, ...] = ()  # their numbers; acknowledged
    refused: tuple[int, ...] = ()  # the server will never take these
    why: str = ""  # they were refused


class SendError(Exception):
    """The server cannot be reached, or takes no events now.

    Args:
        reason: in words, without credentials.
        so_far: the result of those before.
        wait_s: how long the server asks to wait.
    """

    def __init__(
        self, reason: str, *, so_far: SendResult | None = None, wait_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.so_far = so_far or SendResult()
        self.wait_s = wait_s


class Transport(Protocol):
    """Sends events to a server. Used by one thread."""

    batch: int  # how many events it takes at once

    def connect(self) -> None:
        """Connect, if it is not connected.

        Raises:
            SendError: the server cannot be reached.
        """

    def send(self, entries: Sequence[Entry]) -> SendResult:
        """Send some events, in order, and wait for the answers.

        Raises:
            SendError: at least one was neither taken nor refused.
        """

    def idle(self, wake: threading.Event) -> None:
        """Keep the connection alive until there is something to do.

        Raises:
            SendError: the connection was lost.
        """

    def close(self) -> None:
        """Disconnect, within a second."""
