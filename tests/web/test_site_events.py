"""Alerts and counts as the page has them."""

from __future__ import annotations

from typing import Any

from edgeattr.web import SiteEvents


def _zone(event: str, occupancy: int, stream: str = "door") -> dict[str, Any]:
    return {"type": "zone", "stream": stream, "zone": "hall", "event": event,
            "occupancy": occupancy}  # fmt: skip


def test_counts_by_stream_and_alerts_newest_first() -> None:
    events = SiteEvents()
    for event in (
        _zone("entered", 1), _zone("entered", 2), _zone("left", 1), _zone("entered", 1, "yard"),
        {"type": "line", "stream": "door", "line": "gate", "direction": "out", "count": 3},
        {"type": "person", "stream": "door", "id": "x"},
    ):  # fmt: skip
        events.write(event)
    for number in range(60):
        alert = {"type": "alert", "stream": "door", "alert": "no vest", "track": number}
        events.write({**alert, "crop": "/home/somebody/x.jpg"})
    told = events.to_json()
    assert told["zones"] == [
        {"stream": "door", "zone": "hall", "inside": 1, "entered": 2},
        {"stream": "yard", "zone": "hall", "inside": 1, "entered": 1},
    ]
    assert told["lines"] == [{"stream": "door", "line": "gate", "in": 0, "out": 3}]
    assert [alert["track"] for alert in told["alerts"]] == list(range(59, 39, -1))
    assert "crop" not in told["alerts"][0], "files of this machine are nobody's business"
