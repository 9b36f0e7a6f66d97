"""How long steps say what they do: lines for people, and how far they are."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]
"""Called with what was found, in a line."""

Tick = Callable[[str, int, int], None]
"""Called with what is being done, how many parts of it are, and how many there are."""


def silent(text: str) -> None:
    """A :data:`Tell` that says nothing."""


def no_tick(title: str, done: int, total: int) -> None:
    """A :data:`Tick` that shows nothing."""
