"""Numbers with their nouns, for messages."""

from __future__ import annotations


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 event``, ``2,000 events``, ``0 people``.

    Args:
        count: how many.
        one: the noun, and what follows it, of one.
        many: of several; ``one`` with an ``s`` if it is not given.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
