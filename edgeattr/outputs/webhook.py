"""Events to a web server, by way of the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgeattr.core.errors import UsageError
from edgeattr.outputs.http_transport import HttpTransport
from edgeattr.outputs.spool import MOST_EVENTS, Spool, spool_path
from edgeattr.outputs.spooled_output import SpooledOutput, SpoolOptions
from edgeattr.outputs.transport import Address, client_tls

_PORTS = {"http": 80, "https": 443}
_PROMISE = (
    "an event is on disk once write returns, is posted at least once and in order, and is removed "
    "when the server has answered 2xx; answers 408, 425, 429, 5xx and redirects, and no answer, "
    "are tried again, any other 4xx is a refusal, logged, counted and dropped; meanwhile up to "
    "{events:,} events or {mib:,} MiB wait, and beyond that the oldest are dropped and counted"
)
_TAKEN = (
    "another run posts to this server from it; end that one first, or give this one a spool of "
    "its own under [webhook] in a site's file (--config)"
)


@dataclass(frozen=True, kw_only=True)
class WebhookOptions(SpoolOptions):
    """Which server, as whom, and how many events a request."""

    url: str  # http:// or https://; redirects are not followed
    batch: int = 1  # events a request: a JSON object if 1, else arrays of up to so many
    token: str | None = None  # sent as "Authorization: Bearer", instead of WEBHOOK_TOKEN
    secret: str | None = None  # signs each request, instead of WEBHOOK_SECRET
    ca: Path | None = None  # certificates of the authorities to trust, PEM; None: the system's

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch < 1:
            raise UsageError(f"a web hook's batch is {self.batch}; expected at least 1 event")


class WebhookOutput(SpooledOutput):
    """Posts events as JSON.

    User and password in the URL become basic authentication, ``WEBHOOK_TOKEN`` a bearer token.
    With ``WEBHOOK_SECRET`` each request carries ``X-Edgeattr-Timestamp``, in seconds since 1970,
    and ``X-Edgeattr-Signature: sha256=HEX``, the HMAC-SHA256 of the timestamp, a full stop and
    the body. Nothing of the URL but scheme, host and port is shown anywhere.

    Args:
        options: the server, and how events are posted there.

    Raises:
        UsageError: a bad URL, batch or token, two kinds of authentication at once, or a
            certificate for an address without TLS.
        InputError: a certificate cannot be read.
        OutputError: the spool cannot be opened, or another process has it.
    """

    def __init__(self, options: WebhookOptions) -> None:
        address = Address.parse(options.url, _PORTS)
        token = options.token or os.environ.get("WEBHOOK_TOKEN")
        if token and address.username is not None:
            raise UsageError(
                f"{address.shown}: there is a password in the URL and a bearer token as well; "
                "give one of them"
            )
        if token and not (token.isascii() and token.isprintable()):
            raise UsageError("a bearer token is printable ASCII, without line breaks")
        if options.ca and address.scheme != "https":
            raise UsageError("certificates are for https:// addresses")
        transport = HttpTransport(
            address,
            batch=options.batch,
            token=token,
            secret=options.secret or os.environ.get("WEBHOOK_SECRET"),
            tls=client_tls(options.ca) if address.scheme == "https" else None,
        )
        super().__init__(
            name=address.shown,
            promise=_PROMISE.format(events=MOST_EVENTS, mib=round(options.spool_mb)),
            transport=transport,
            spool=Spool(
                options.spool or spool_path(address.shown, secret=address.path),
                max_bytes=round(options.spool_mb * 2**20),
                taken=_TAKEN,
            ),
        )
