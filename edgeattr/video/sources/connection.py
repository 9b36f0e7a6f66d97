"""One unbroken connection to a live source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError

__all__ = ["Connection", "StreamLost"]


class StreamLost(InputError):
    """A live source cannot be reached, or sends no pictures any more; it may come back."""


class Connection(Protocol):
    """A source that is open."""

    @property
    def rate(self) -> float:
        """Frames per second that are expected."""

    @property
    def finite(self) -> bool:
        """It has an end, after which there is no use in connecting again."""

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded."""

    def pictures(self) -> Iterator[tuple[Image, float | None]]:
        """Pictures, uint8 [H, W, 3] BGR, and the stream's own time in seconds where it has one.

        Raises:
            StreamLost: no picture came for as long as the options say, or the sender ended it.
        """
        ...

    def close(self) -> None:
        """Hang up."""
        ...
