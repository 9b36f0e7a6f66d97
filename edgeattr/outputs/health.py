"""Whether all is well, and why not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from edgeattr.outputs.sink import SinkStatus
from edgeattr.video.status import StreamStatus

__all__ = ["health"]


def health(streams: Sequence[StreamStatus], sinks: Sequence[SinkStatus]) -> dict[str, Any]:
    """``{"healthy", "reasons", "streams", "sinks"}``: well if every live stream runs, and no
    sink is in trouble."""
    reasons = [
        f"{stream.stream}: {stream.state}" + (f" ({stream.error})" if stream.error else "")
        for stream in streams
        if stream.live and stream.state != "running"
    ]
    reasons += [f"{sink.name}: {sink.trouble}" for sink in sinks if sink.trouble]
    return {
        "healthy": not reasons,
        "reasons": reasons,
        "streams": [dataclasses.asdict(stream) for stream in streams],
        "sinks": [dataclasses.asdict(sink) for sink in sinks],
    }
