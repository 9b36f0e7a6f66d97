"""Limit how often a repeated message is logged."""

from __future__ import annotations

import threading
import time


class RateLimit:
    """Allows the first of many calls, and then one in each interval.

    Args:
        seconds: the interval.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._next = float("-inf")
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Whether this message may be logged now."""
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                return False
            self._next = now + self._seconds
            return True
