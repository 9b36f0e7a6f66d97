"""How a stream is doing, and what happened on it: for metrics, health checks and summaries."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

StreamState = Literal["connecting", "running", "stalled", "ended", "failed"]


@dataclass(frozen=True, kw_only=True)
class StreamStatus:
    """One stream at one moment. ``frames_in = frames + dropped_frames + frames_waiting``."""

    stream: str  # its name, without credentials
    state: StreamState
    live: bool  # a camera or an address, not a file
    frames_in: int  # frames decoded since the start
    frames: int  # of these, how many were processed
    dropped_frames: int  # and how many were left out, because newer ones had come
    frames_waiting: int  # and how many are in a queue or in work
    frames_damaged: int  # packets that could not be decoded
    reconnects: int  # times that a lost stream came back
    detections: int  # boxes in all frames
    people: int  # records written
    crops_seen: int  # crops of tracked people, classified or not
    crops_classified: int  # crops that went through the model
    seconds: float  # of video
    frames_per_second: float  # processed, over the last seconds
    last_frame_s: float | None  # seconds since a frame came, None before the first
    zones: dict[str, dict[str, int]] = field(default_factory=dict)
    """By zone: people in it now ("occupancy"), and so far "entered" and "left"."""
    zone_attributes: dict[str, dict[str, int]] = field(default_factory=dict)
    """By zone and attribute: records of people who were in it and are answered yes."""
    lines: dict[str, dict[str, int]] = field(default_factory=dict)  # crossings "in" and "out"
    alerts: dict[str, int] = field(default_factory=dict)  # raised, by rule
    error: str | None = None  # what is wrong, in words
    width: int | None = None  # of its pictures, pixels, None before the first
    height: int | None = None


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
    zone_attributes: dict[str, dict[str, int]] = field(default_factory=dict)
    """By zone and attribute: records of people who were in it and are answered yes."""
    lines: dict[str, dict[str, int]] = field(default_factory=dict)  # crossings "in" and "out"
    alerts: dict[str, int] = field(default_factory=dict)  # raised, by rule
    error: str | None = None  # why the stream was not processed to its end

    def to_json(self) -> dict[str, Any]:
        """The last line of the events file."""
        values = dataclasses.asdict(self)
        for name in ("zones", "zone_attributes", "lines", "alerts", "error"):
            if not values[name]:
                del values[name]
        return {"type": "summary", **values, "seconds": round(self.seconds, 3)}
