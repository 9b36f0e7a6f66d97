"""The latest alerts, and how many people are in each zone and crossed each line, for the page."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Mapping
from typing import Any

from edgeattr.core.timestamps import utc_text

__all__ = ["SiteEvents"]

_ALERTS = 50  # that are remembered
_ALERTS_SHOWN = 20
_OURS = ("type", "crop", "evidence")  # of alerts: files of this machine are nobody's business


class SiteEvents:
    """An output that remembers the latest alerts and counts. It promises nothing."""

    name = "page events"

    def __init__(self) -> None:
        self._alerts: collections.deque[dict[str, Any]] = collections.deque(maxlen=_ALERTS)
        self._zones: dict[tuple[str, str], dict[str, Any]] = {}  # by stream and name
        self._lines: dict[tuple[str, str], dict[str, Any]] = {}
        self._lock = threading.Lock()

    def write(self, event: Mapping[str, Any]) -> None:
        """Take one event; those that are no alert, zone or line pass."""
        kind, stream = event.get("type"), event.get("stream", "")
        with self._lock:
            if kind == "alert":
                self._alerts.appendleft(_shown_alert(event))
            elif kind == "zone":
                zone = self._zones.setdefault(
                    (stream, event["zone"]),
                    {"stream": stream, "zone": event["zone"], "inside": 0, "entered": 0},
                )
                zone["inside"] = event["occupancy"]
                zone["entered"] += event["event"] == "entered"
            elif kind == "line":
                line = self._lines.setdefault(
                    (stream, event["line"]),
                    {"stream": stream, "line": event["line"], "in": 0, "out": 0},
                )
                line[event["direction"]] = event["count"]

    def to_json(self) -> dict[str, Any]:
        """``{"alerts", "zones", "lines"}``: the latest alerts first, and the counts so far."""
        with self._lock:
            return {
                "alerts": list(self._alerts)[:_ALERTS_SHOWN],
                "zones": [dict(zone) for zone in self._zones.values()],
                "lines": [dict(line) for line in self._lines.values()],
            }


def _shown_alert(event: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in event.items() if key not in _OURS}
    return {**shown, "told": utc_text(time.time())}
