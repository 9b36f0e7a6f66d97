"""How the site is doing, as the page and the interface tell it."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from edgeattr.core.rate_limit import RateLimit
from edgeattr.core.timestamps import utc_text
from edgeattr.outputs.health import health
from edgeattr.video.output import OutputStatus
from edgeattr.video.status import StreamStatus
from edgeattr.web.recent_people import RecentPeople

__all__ = ["State"]

_LOG = logging.getLogger("edgeattr.web")
_FRESH = 0.9  # seconds for which all visitors get the same


class State:
    """Tells how streams, outputs and people are doing; once a second for all who ask.

    Args:
        board: knows the people.
        status: tells how each stream is doing.
        outputs: likewise each output.
        unopened: tells the streams that could not be opened, and why.
        happenings: tell alerts, and counts of zones and lines.
        offers: what else the page offers: ``live_pictures``, ``store``.
    """

    def __init__(
        self,
        board: RecentPeople,
        status: Callable[[], Sequence[StreamStatus]],
        outputs: Callable[[], Sequence[OutputStatus]] = list,
        unopened: Callable[[], Mapping[str, str]] = dict,
        happenings: Callable[[], Mapping[str, Any]] = dict,
        offers: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        self._happenings, self._offers = happenings, offers
        self._board, self._status, self._outputs, self._unopened = board, status, outputs, unopened
        self._started, self._version = utc_text(time.time()), _version()
        self._text, self._made = b"", float("-inf")
        self._log_limit = RateLimit()

    def text(self) -> bytes:
        """All of it as JSON, at most a second old."""
        if time.monotonic() - self._made >= _FRESH:
            self._text = json.dumps(self._current(), ensure_ascii=False).encode()
            self._made = time.monotonic()
        return self._text

    def streams(self) -> set[str]:
        """Names of the streams that are open."""
        return {stream.stream for stream in self._status()}

    def health(self) -> dict[str, Any]:
        """What ``/health`` of the metrics says, too; not well where it cannot be told."""
        try:
            return health(self._status(), self._outputs())
        except Exception as error:
            if self._log_limit.allows():
                _LOG.exception("the state could not be told")
            reasons = [f"the state cannot be told: {error!r}"]
            return {"healthy": False, "reasons": reasons, "streams": [], "sinks": []}

    def _current(self) -> dict[str, Any]:
        found, counts = self.health(), self._board.counts()
        names = {stream["stream"] for stream in found["streams"]}
        missing = {name: why for name, why in self._unopened().items() if name not in names}
        for key in ("crops_seen", "crops_classified"):
            counts[key] = sum(stream[key] for stream in found["streams"])
        return {
            "version": self._version,
            "time": utc_text(time.time()),
            "started": self._started,
            "pictures": self._board.pictures,
            **found,
            "unopened": [{"stream": name, "error": why} for name, why in missing.items()],
            "counts": counts,
            **self._offers,
            **self._happenings(),
        }


def _version() -> str:
    """Of edgeattr as it is installed; of a bare folder of its files nobody knows it."""
    try:
        return importlib.metadata.version("edgeattr")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
