"""What every event sink has, and what is asked of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgeattr.core.errors import OutputError

__all__ = ["Delivery", "EventSink", "SinkStatus", "encode_event"]


class EventSink(Protocol):
    """Takes events from several threads at once."""

    @property
    def name(self) -> str:
        """For logs and metrics; without credentials."""

    @property
    def promise(self) -> str:
        """One sentence: what is kept, and when."""

    def write(self, event: Mapping[str, Any]) -> None:
        """Take one event, and return once the promise holds for it.

        Raises:
            OutputError: it cannot be kept.
        """

    def close(self) -> None:
        """Finish within three seconds. May be called twice."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How a sink that sends events on is doing."""

    waiting: int  # events on disk that were not acknowledged yet
    delivered: int  # acknowledged by the other side, since the start
    refused: int  # that the other side will never take; logged and dropped
    dropped: int  # the oldest ones, because the spool was full, since the spool was made
    trouble: str | None  # what has been wrong for a while, in words


@dataclass(frozen=True, kw_only=True)
class SinkStatus:
    """How a sink is doing: what metrics and health checks are made of."""

    name: str
    written: int  # events taken
    failed: int  # events that could not be taken
    trouble: str | None  # what is wrong now, in words
    delivery: Delivery | None  # of a sink that sends events on


def encode_event(event: Mapping[str, Any]) -> bytes:
    """An event as JSON in UTF-8, on one line.

    Raises:
        OutputError: it holds what JSON has no word for.
    """
    try:
        return json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise OutputError(f"an event cannot be written as JSON: {error}") from error
