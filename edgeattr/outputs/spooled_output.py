"""An output that keeps events on disk until a server has acknowledged them."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeattr.core.closeable import Closeable
from edgeattr.core.errors import OutputError, UsageError
from edgeattr.core.rate_limit import RateLimit
from edgeattr.outputs.jsonl import encode_event
from edgeattr.outputs.spool import Spool, Totals
from edgeattr.outputs.transport import SendError, SendResult, Transport
from edgeattr.video.output import DeliveryStatus

_LOG = logging.getLogger("edgeattr.outputs")
_DRAIN_S = 1.5  # on closing, for events that still wait
_JOIN_S = 2.0


@dataclass(frozen=True, kw_only=True)
class SpoolOptions:
    """Where events wait, and how many."""

    spool: Path | None = None  # None: a file in the cache, of the address
    spool_mb: float = 64.0  # that may wait, MiB

    def __post_init__(self) -> None:
        if not self.spool_mb > 0:
            raise UsageError(f"spool_mb is {self.spool_mb:g}; expected MiB, above 0")


class SpooledOutput(Closeable):
    """Writes to the spool; a thread sends in order, with exponential backoff while the server
    cannot be reached.

    Args:
        name: for logs and metrics; without credentials.
        promise: one sentence: what is kept, and when.
        transport: sends events; closed with this object.
        spool: closed with this object.
    """

    first_wait_s, longest_wait_s = 0.5, 30.0  # between two tries; doubles from one to the other
    patience_s = 60.0  # failures that last no longer are no trouble yet

    def __init__(self, *, name: str, promise: str, transport: Transport, spool: Spool) -> None:
        self.name, self.promise = name, promise
        self._transport, self._spool = transport, spool
        self._wake, self._stop = threading.Event(), threading.Event()
        self._finish_by = float("inf")  # set when closing
        self._delivered = self._refused = 0
        self._reason = ""  # of the latest failure
        self._why_refused = ""
        self._failing_since: float | None = None
        self._wait_s = self.first_wait_s
        self._logged = False  # whether the failure was logged
        self._settled: list[int] = []  # answered by the other side, and still in the spool
        self._at_close: Totals | None = None
        self._failures, self._refusals = RateLimit(), RateLimit()
        self._thread = threading.Thread(target=self._run, name=f"edgeattr {name}", daemon=True)
        self._thread.start()

    def write(self, event: Mapping[str, Any]) -> None:
        """Take one event, and return once it is on disk.

        Raises:
            OutputError: the disk is full or failed, or the output is closed.
        """
        self._spool.put(encode_event(event))
        self._wake.set()

    def wake(self) -> None:
        """Have the sender look for something to do."""
        self._wake.set()

    def delivery(self) -> DeliveryStatus:
        """How sending goes; once it is closed, how it stood then.

        Raises:
            OutputError: the spool cannot be read.
        """
        totals = self._at_close or self._spool.totals()
        since = self._failing_since
        lasting = 0.0 if since is None else time.monotonic() - since
        status = DeliveryStatus(
            waiting=totals.events,
            delivered=self._delivered,
            refused=self._refused,
            why_refused=self._why_refused,
            dropped=totals.dropped,
            trouble=None,
        )
        if lasting > self.patience_s:
            trouble = f"nothing could be sent for {lasting:.0f} s: {self._reason}"
        elif status.nothing_taken:
            trouble = f"all events so far were refused: {self._why_refused}"
        else:
            return status
        return replace(status, trouble=trouble)

    def close(self) -> None:
        """Send what can be sent in a moment, and stop; the rest waits on disk for the next time.

        May be called twice.
        """
        self._finish_by = min(self._finish_by, time.monotonic() + _DRAIN_S)
        self._stop.set()
        self._wake.set()
        self._thread.join(_JOIN_S)  # one that hangs in the network ends by itself, later
        if self._at_close is None:
            with contextlib.suppress(OutputError):  # damaged: status has said so
                self._at_close = self._spool.totals()
        self._spool.close()

    def _run(self) -> None:
        while not self._stop.is_set() or self._may_still_send():
            try:
                self._turn()
            except SendError as error:
                self._settle(error.so_far)
                self._failed(str(error), error.wait_s)
            except OutputError as error:  # the spool
                self._failed(str(error), None)
            except Exception as error:  # whatever it is, sending goes on
                _LOG.exception("%s: sending failed", self.name)
                self._failed(repr(error), None)
        self._transport.close()

    def _turn(self) -> None:
        """Send some events, or wait until there are any."""
        self._wake.clear()
        self._remove_settled()  # first: what was taken is not sent again, even if the disk is full
        self._transport.connect()
        entries = self._spool.peek(self._transport.batch)
        if entries:
            self._settle(self._transport.send(entries))
            self._remove_settled()
        self._recovered()
        if not entries:
            if self._stop.is_set():
                self._finish_by = 0.0
            else:
                self._transport.idle(self._wake)

    def _may_still_send(self) -> bool:
        return self._failing_since is None and time.monotonic() < self._finish_by

    def _settle(self, result: SendResult) -> None:
        """Note what the other side has taken, or will never take."""
        self._settled += [*result.delivered, *result.refused]
        self._delivered += len(result.delivered)
        self._refused += len(result.refused)
        self._why_refused = result.why or self._why_refused
        if result.refused and self._refusals.allows():
            _LOG.error(
                "%s: refused (%s) and dropped; %d so far", self.name, result.why, self._refused
            )

    def _remove_settled(self) -> None:
        if self._settled:
            self._spool.remove(self._settled)
            self._settled = []

    def _failed(self, reason: str, wait_s: float | None) -> None:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        self._reason = reason
        if self._stop.is_set():
            return
        if self._failures.allows():
            self._logged = True
            _LOG.warning("%s: cannot send (%s); events wait on disk", self.name, reason)
        pause = self._wait_s * random.uniform(0.5, 1.0)  # many senders must not come as one
        self._wait_s = min(2 * self._wait_s, self.longest_wait_s)
        self._stop.wait(max(pause, wait_s or 0.0))

    def _recovered(self) -> None:
        if self._failing_since is not None and self._logged:
            lasted = time.monotonic() - self._failing_since
            _LOG.warning("%s: sends again, after %.0f s", self.name, lasted)
            self._logged = False
        self._failing_since, self._wait_s = None, self.first_wait_s
