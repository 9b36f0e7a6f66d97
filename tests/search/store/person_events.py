"""People as the pipeline reports them."""

from __future__ import annotations

import uuid
from typing import Any


def person(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One record, as a line of the events file has it."""
    return {
        "type": "person",
        "stream": "door",
        "track": number,
        "first_s": 1.5,
        "last_s": 9.625,
        "frames": 80,
        "crops_classified": 7,
        "box": [672.9, 173.5, 95.1, 186.3],
        "attributes": {
            "backpack": {"p": 0.9312, "answer": "yes"},
            "hat": {"p": 0.01, "answer": "no"},
            "long_hair": {"p": 0.5, "answer": "unknown"},
        },
        "time": "2026-05-01T12:30:15.250Z",
        "id": str(uuid.UUID(int=(4 << 76) + (8 << 60) + number)),
        **changes,
    }
