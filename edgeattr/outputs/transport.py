"""What brings events to the other side of a network: the part in which MQTT and HTTP differ."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgeattr.outputs.spool import Entry

__all__ = ["Brought", "Carrier", "NotBrought"]


@dataclass(frozen=True)
class Brought:
    """What became of some events."""

    delivered: tuple[int, ...] = ()  # their numbers; acknowledged by the other side
    refused: tuple[int, ...] = ()  # it will never take these
    why: str = ""  # it refuses them


class NotBrought(Exception):
    """The other side is away, or will not take events now.

    Args:
        reason: in words, without credentials.
        so_far: what became of those before.
        wait_s: how long the other side asks to be left alone.
    """

    def __init__(
        self, reason: str, *, so_far: Brought | None = None, wait_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.so_far = so_far or Brought()
        self.wait_s = wait_s


class Carrier(Protocol):
    """Used by one thread."""

    batch: int  # how many events it takes at once

    def prepare(self) -> None:
        """Connect, if it is not connected.

        Raises:
            NotBrought: the other side cannot be reached.
        """

    def bring(self, entries: Sequence[Entry]) -> Brought:
        """Bring some events, in order, and wait for the answers.

        Raises:
            NotBrought: at least one was neither taken nor refused.
        """

    def idle(self, wake: threading.Event) -> None:
        """Keep the connection alive until there is something to do.

        Raises:
            NotBrought: the connection was lost.
        """

    def close(self) -> None:
        """Take leave, within a second."""
