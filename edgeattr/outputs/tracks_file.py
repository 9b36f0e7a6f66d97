"""Who is where in each frame, as text in MOTChallenge's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeattr.core.errors import OutputError
from edgeattr.core.files import open_exclusive, size_of
from edgeattr.video.sources import Frame
from edgeattr.video.tracker import EarlierBox, TrackedBox

_FRAMES = 300  # that are remembered


class TracksFile:
    """One line a person and frame: ``frame,id,left,top,width,height,score,-1,-1,-1``.

    Frames count from 1; boxes are in pixels. Lines are in the order of frames, but for those of
    people who turn out a moment later to have been there. The file is replaced when the stream
    begins, and a new one is readable by its owner alone.

    Args:
        path: of the file.

    Raises:
        OutputError: it cannot be written, or another run writes to it.
    """

    promise = "each frame's people are in the file once it has been processed"

    def __init__(self, path: Path) -> None:
        self.name = f"tracks {path}"
        self._path = path
        self._indices: dict[float, int] = {}  # of the last frames, by their seconds
        self._file = open_exclusive(path)
        if size_of(self._file):
            self._file.truncate(0)

    def write_tracks(
        self,
        stream: str,
        frame: Frame,
        people: Sequence[TrackedBox],
        earlier: Sequence[EarlierBox],
    ) -> None:
        """Append the people of one frame, and who was in frames before, no more than seconds ago.

        Raises:
            OutputError: the disk is full.
        """
        del stream  # of one stream alone
        self._indices[frame.seconds] = frame.index
        while len(self._indices) > _FRAMES:
            del self._indices[next(iter(self._indices))]
        told = [
            (self._indices[seconds], person)
            for seconds, person, _ in earlier
            if seconds in self._indices
        ]
        lines = []
        for index, person in [*told, *((frame.index, person) for person in people)]:
            left, top, right, bottom = person.box
            box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
            lines.append(f"{index + 1},{person.track},{box},{person.score:.4f},-1,-1,-1\n")
        try:
            text = "".join(lines).encode("ascii")
            if self._file.write(text) != len(text):
                raise OutputError(f"{self._path}: cannot be written (the disk is full)")
        except (OSError, ValueError) as error:
            raise OutputError(f"{self._path}: cannot be written ({error})") from error

    def close(self) -> None:
        """Complete the file. May be called twice.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from error
