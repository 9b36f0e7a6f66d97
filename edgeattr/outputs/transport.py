"""What brings events to the other side of a network: the part in which MQTT and HTTP differ."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgeattr.outputs.spool import Entry

__all__ = ["SendError", "SendResult", "Transport"]


@dataclass(frozen=True)
class SendResult:
    """What became of some events."""

    delivered: tuple[int, ...] = ()  # their numbers; acknowledged by the other side
    refused: tuple[int, ...] = ()  # it will never take these
    why: str = ""  # it refuses them


class SendError(Exception):
    """The other side is away, or will not take events now.

    Args:
        reason: in words, without credentials.
        so_far: what became of those before.
        wait_s: how long the other side asks to be left alone.
    """

    def __init__(
        self, reason: str, *, so_far: SendResult | None = None, wait_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.so_far = so_far or SendResult()
        self.wait_s = wait_s


class Transport(Protocol):
    """Used by one thread."""

    batch: int  # how many events it takes at once

    def connect(self) -> None:
        """Connect, if it is not connected.

        Raises:
            SendError: the other side cannot be reached.
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
        """Take leave, within a second."""
