"""What happened on one stream."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Summary"]


@dataclass(kw_only=True)
class Summary:
    """What happened on one stream; grows while it runs."""

    stream: str
    frames: int = 0  # processed
    seconds: float = 0.0  # of video
    people: int = 0  # records written
    detections: int = 0  # boxes in all frames
    crops_classified: int = 0  # crops that went through the model
    crops_seen: int = 0  # crops of tracked people, classified or not
    dropped_frames: int = 0  # frames of a live stream that were not processed
    zones: dict[str, int] = field(default_factory=dict)  # people who entered each
    lines: dict[str, dict[str, int]] = field(default_factory=dict)  # crossings "in" and "out"
    alerts: dict[str, int] = field(default_factory=dict)  # raised, by rule
    error: str | None = None  # why the stream was not processed to its end

    def to_json(self) -> dict[str, Any]:
        """The last line of the events file."""
        values = dataclasses.asdict(self)
        for name in ("zones", "lines", "alerts", "error"):
            if not values[name]:
                del values[name]
        return {"type": "summary", **values, "seconds": round(self.seconds, 3)}
