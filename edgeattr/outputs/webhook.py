"""Events to a web server, by way of the disk."""

from __future__ import annotations

import os
from pathlib import Path

from edgeattr.core.errors import UsageError
from edgeattr.outputs.http_transport import HttpTransport
from edgeattr.outputs.spool import MOST_EVENTS, Spool, spool_path
from edgeattr.outputs.spooled_output import SpooledOutput
from edgeattr.outputs.transport import Address, client_tls

_PORTS = {"http": 80, "https": 443}
_PROMISE = (
    "an event is on disk once write returns, is posted at least once and in order, and is removed "
    "when the server has answered 2xx; answers 408, 425, 429, 5xx and redirects, and no answer, "
    "are tried again, any other 4xx is a refusal, logged, counted and dropped; meanwhile up to "
    "{events:,} events or {mib:,} MiB wait, and beyond that the oldest are dropped and counted"
)


class WebhookOutput(SpooledOutput):
    """Posts events as JSON.

    User and password in the URL become basic authentication, ``WEBHOOK_TOKEN`` a bearer token.
    With ``WEBHOOK_SECRET`` each request carries ``X-Edgeattr-Timestamp``, in seconds since 1970,
    and ``X-Edgeattr-Signature: sha256=HEX``, the HMAC-SHA256 of the timestamp, a full stop and
    the body. Nothing of the URL but scheme, host and port is shown anywhere.

    Args:
        url: ``http://`` or ``https://``. Redirects are not followed.
        batch: events per request: a JSON object if 1, else arrays of up to so many.
        token: bearer token, instead of ``WEBHOOK_TOKEN``.
        secret: for signatures, instead of ``WEBHOOK_SECRET``.
        ca: certificates of the authorities to trust, PEM; those of the system if not given.
        spool: where events wait; by default a file of this URL under ``EDGEATTR_HOME``.
        spool_mb: how many MiB they may have together.

    Raises:
        UsageError: a bad URL or batch, or two kinds of authentication at once.
        InputError: a certificate cannot be read.
        OutputError: the spool cannot be opened, or another process has it.
    """

    def __init__(
        self,
        url: str,
        *,
        batch: int = 1,
        token: str | None = None,
        secret: str | None = None,
        ca: Path | None = None,
        spool: Path | None = None,
        spool_mb: float = 256.0,
    ) -> None:
        address = Address.parse(url, _PORTS)
        if batch < 1:
            raise UsageError("a web hook's batch is at least 1 event")
        token = token or os.environ.get("WEBHOOK_TOKEN")
        if token and address.username is not None:
            raise UsageError(
                f"{address.shown}: there is a password in the URL and a bearer token as well; "
                "give one of them"
            )
        transport = HttpTransport(
            address,
            batch=batch,
            token=token,
            secret=secret or os.environ.get("WEBHOOK_SECRET"),
            tls=client_tls(ca) if address.scheme == "https" else None,
        )
        super().__init__(
            name=address.shown,
            promise=_PROMISE.format(events=MOST_EVENTS, mib=round(spool_mb)),
            transport=transport,
            spool=Spool(
                spool or spool_path(address.shown, secret=address.path),
                max_bytes=round(spool_mb * 2**20),
            ),
        )
