"""Times as text, the same in records, logs and the audit."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_text(seconds: float) -> str:
    """ISO 8601 in UTC to the millisecond, of seconds since 1970: ``2026-11-25T19:30:00.000Z``."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
