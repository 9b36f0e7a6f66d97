"""Events as POST requests, in the thread of the output."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import http.client
import ssl
import threading
import time
from collections.abc import Sequence
from email.message import Message

from edgeattr.outputs.spool import Entry
from edgeattr.outputs.transport import Address, SendError, SendResult

_TRY_AGAIN = (408, 425, 429)  # of 4xx: too slow, too early, too many
_LONGEST_ASKED_S = 3600.0  # however long Retry-After asks for
_ANSWER_BYTES = 1 << 16  # what is read of an answer's body, which nobody looks at


class HttpTransport:
    """Posts one event, or an array of them.

    Args:
        address: of the server.
        batch: events per request: an object if 1, else an array.
        token: bearer token.
        secret: key of the signatures.
        tls: for https.
    """

    timeout_s = 10.0  # for the connection, and for each piece of the answer

    def __init__(
        self,
        address: Address,
        *,
        batch: int,
        token: str | None,
        secret: str | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.batch = batch
        self._address = address
        self._secret = None if secret is None else secret.encode()
        self._tls = tls
        self._connection: http.client.HTTPConnection | None = None
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": "edgeattr",
        }
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif address.username is not None:
            pair = f"{address.username}:{address.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def connect(self) -> None:
        """Nothing: a connection is made with the first request."""

    def send(self, entries: Sequence[Entry]) -> SendResult:
        """Post them; of an array that is refused, each by itself."""
        if self.batch == 1:
            return self._post(entries[0].payload, entries)
        result = self._post_array(entries)
        if not result.refused or len(entries) == 1:
            return result
        delivered: list[int] = []
        refused: list[int] = []
        for entry in entries:
            try:
                one = self._post_array([entry])
            except SendError as error:
                error.so_far = SendResult(tuple(delivered), tuple(refused), result.why)
                raise
            delivered += one.delivered
            refused += one.refused
        return SendResult(tuple(delivered), tuple(refused), result.why)

    def idle(self, wake: threading.Event) -> None:
        """Wait until there is something to do."""
        self.close()  # servers tire of connections that nothing comes from
        wake.wait()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post_array(self, entries: Sequence[Entry]) -> SendResult:
        return self._post(b"[" + b",".join(entry.payload for entry in entries) + b"]", entries)

    def _post(self, body: bytes, entries: Sequence[Entry]) -> SendResult:
        """One request. What the body says is in the entries."""
        try:
            status, headers = self._exchange(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise SendError(_in_words(error)) from error
        numbers = tuple(entry.number for entry in entries)
        if 200 <= status < 300:
            return SendResult(delivered=numbers)
        why = f"HTTP status {status}"
        if 400 <= status < 500 and status not in _TRY_AGAIN:
            return SendResult(refused=numbers, why=why)
        raise SendError(why, wait_s=_retry_after(headers.get("Retry-After")))

    def _exchange(self, body: bytes) -> tuple[int, Message]:
        headers = self._headers
        if self._secret is not None:
            now = str(int(time.time()))
            digest = hmac.new(self._secret, now.encode() + b"." + body, hashlib.sha256)
            headers = {
                **headers,
                "X-Edgeattr-Timestamp": now,
                "X-Edgeattr-Signature": f"sha256={digest.hexdigest()}",
            }
        connection = self._connected()
        connection.request("POST", self._address.path or "/", body, headers)
        with connection.getresponse() as answer:
            answer.read(_ANSWER_BYTES)
            whole = answer.isclosed()
        if not whole:
            self.close()  # the rest of it is not worth reading
        return answer.status, answer.headers

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._address.host, self._address.port
            if self._tls is not None:
                self._connection = http.client.HTTPSConnection(
                    host, port, timeout=self.timeout_s, context=self._tls
                )
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=self.timeout_s)
        return self._connection


def _retry_after(value: str | None) -> float | None:
    """Seconds, of a number or a date; None if there is none, or nonsense."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return min(seconds, _LONGEST_ASKED_S) if seconds >= 0 else None  # nor of "nan"


def _in_words(error: Exception) -> str:
    """Without what was sent: some of these errors repeat the address."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
