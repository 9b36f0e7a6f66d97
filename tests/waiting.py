"""Patience: how tests wait for another thread or process, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")


def until(found: Callable[[], _Found], seconds: float = 60) -> _Found:
    """Wait until something is so, and give it."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < end, f"did not happen within {seconds} s"
        time.sleep(0.01)
    return answer
