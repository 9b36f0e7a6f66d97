"""A line in words for each person who has left, and for each alert."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeattr.cli.progress import note

__all__ = ["PersonLines", "alert_line", "person_line"]

_MOST_LABELS = 5


class PersonLines:
    """An output that says on standard error who was seen. It promises nothing.

    Args:
        named: whether to name the stream: there are several.
    """

    name = "lines of people"

    def __init__(self, *, named: bool) -> None:
        self._named = named

    def write(self, event: Mapping[str, Any]) -> None:
        """Say a person's record, or an alert; other events are not for reading."""
        line = {"person": person_line, "alert": alert_line}.get(event["type"])
        if line:
            stream = f"{Path(event['stream']).name}: " if self._named else ""
            note(stream + line(event))


def person_line(event: Mapping[str, Any]) -> str:
    """``person 4, 12.3 to 19.0 s: long hair, red top, backpack``."""
    labels = event.get("labels") or ()
    said = ", ".join(labels[:_MOST_LABELS]) or "nothing that tells them from others"
    return f"person {event['track']}, {event['first_s']:.1f} to {event['last_s']:.1f} s: {said}"


def alert_line(event: Mapping[str, Any]) -> str:
    """``alert loading: person 4 at 12.3 s: backpack, in zone dock``."""
    why = ", ".join(event["why"])
    return f"alert {event['alert']}: person {event['track']} at {event['at_s']:.1f} s: {why}"
