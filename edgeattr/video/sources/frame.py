"""One picture of a stream, and what every source and every connection to a live one can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError
from edgeattr.video.status import StreamState


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a stream."""

    image: Image  # uint8 [H, W, 3], BGR
    index: int  # from 0
    seconds: float  # from the start of the stream; never less than the frame's before
    began: float | None = None  # second 0 of a live stream, seconds since the epoch


class Source(Protocol):
    """A stream that can be read once."""

    @property
    def name(self) -> str:
        """What it is called, without credentials."""

    @property
    def live(self) -> bool:
        """It does not wait: frames that are not taken in time are lost."""

    @property
    def endless(self) -> bool:
        """It goes on until it is stopped."""

    @property
    def rate(self) -> float:
        """Frames per second that are expected."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the first frame, pixels, where known."""

    @property
    def announced_frames(self) -> int | None:
        """How many there should be, where that is known."""

    @property
    def state(self) -> StreamState:
        """How it is doing."""

    @property
    def error(self) -> str | None:
        """What is wrong at the moment, in words."""

    @property
    def reconnects(self) -> int:
        """Times that a lost stream came back."""

    @property
    def damaged(self) -> int:
        """Packets or pictures that could not be decoded."""

    def frames(self) -> Iterator[Frame]:
        """Every frame, in order; ends with the stream, or soon after :meth:`stop`.

        Raises:
            InputError: the stream cannot be read, and trying again would not help.
        """
        ...

    @property
    def shortfall(self) -> str | None:
        """After the last frame: what is missing of the stream, or None."""
        ...

    def stop(self) -> None:
        """Ask :meth:`frames`, which may run in another thread, to end."""
        ...

    def close(self) -> None:
        """Release the decoder, once :meth:`frames` has ended. May be called twice."""
        ...


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
