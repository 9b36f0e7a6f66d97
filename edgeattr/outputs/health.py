"""Whether all is well, and why not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from edgeattr.video.output import OutputStatus
from edgeattr.video.status import StreamStatus

__all__ = ["health"]


def health(streams: Sequence[StreamStatus], outputs: Sequence[OutputStatus]) -> dict[str, Any]:
    """``{"healthy", "reasons", "streams", "sinks"}``: well if every live stream runs, and no
    output is in trouble."""
    reasons = [
        f"{stream.stream}: {stream.state}" + (f" ({stream.error})" if stream.error else "")
        for stream in streams
        if stream.live and stream.state != "running"
    ]
    reasons += [f"{output.name}: {output.trouble}" for output in outputs if output.trouble]
    return {
        "healthy": not reasons,
        "reasons": reasons,
        "streams": [dataclasses.asdict(stream) for stream in streams],
        "sinks": [dataclasses.asdict(output) for output in outputs],
    }
