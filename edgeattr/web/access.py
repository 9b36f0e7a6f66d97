"""Who may see the page: by a token, and under which names."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Sequence

from edgeattr.core.errors import UsageError

TOKEN_VARIABLE = "EDGEATTR_WEB_TOKEN"
_SHORTEST = 8  # characters of a token that somebody chose
_LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))


class Access:
    """Decides who may see the page.

    On this machine's own address no token is asked for unless one was set, and requests must name
    this machine in their Host header: a web site whose name was made to point here gets nothing.
    On every other address a token is asked for; where none was set, one is made up.

    Args:
        host: the address that the page listens on.
        token: what visitors must know; the variable EDGEATTR_WEB_TOKEN counts where absent.
        hosts: further names under which the page may be asked for on this machine's own address.

    Raises:
        UsageError: a token that is easily guessed.
    """

    def __init__(self, host: str, token: str | None = None, hosts: Sequence[str] = ()) -> None:
        self._local = is_loopback(host)
        self._names = {name.lower() for name in (*_LOCAL, host, *hosts)}
        if token is None:  # an empty one is a mistake, not a wish to have none
            token = os.environ.get(TOKEN_VARIABLE)
        if token is not None and len(token) < _SHORTEST:
            raise UsageError(
                f"the page's token has {len(token)} characters and is easily guessed; expected "
                f"{_SHORTEST} or more, or none: then one is made up where it is needed"
            )
        self.made_up = token is None and not self._local
        self.token = secrets.token_urlsafe(24) if self.made_up else token

    @property
    def cookie(self) -> str:
        """What a browser keeps instead of the token."""
        key = (self.token or "").encode("utf-8", "surrogateescape")
        return hmac.new(key, b"edgeattr page", hashlib.sha256).hexdigest()

    def knows_host(self, host: str) -> bool:
        """Whether a request may come under this name (a Host header, with or without a port)."""
        if not self._local:
            return True  # the token guards it
        name = host.lower().strip()
        if name.startswith("[") and "]" in name:
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        return name in self._names

    def knows_token(self, token: str | bytes) -> bool:
        """Whether this is the token, in a time that does not tell how much of it is right."""
        return _same(token, self.token or "")

    def knows_cookie(self, cookie: str) -> bool:
        """Whether a browser has brought the token before."""
        return _same(cookie, self.cookie)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses = {str(entry[4][0]).partition("%")[0] for entry in found}
    except (OSError, UnicodeError):
        return False  # listening on it will fail and say why
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _same(given: str | bytes, right: str) -> bool:
    if isinstance(given, str):
        given = given.encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, right.encode("utf-8", "surrogateescape"))
