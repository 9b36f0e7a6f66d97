"""Whom to trust, and how to show who we are."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

from edgeattr.core.errors import InputError

__all__ = ["client_tls"]


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
