"""Addresses with credentials in them, taken apart so that the credentials are never shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from edgeattr.core.errors import UsageError

__all__ = ["Address"]


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
