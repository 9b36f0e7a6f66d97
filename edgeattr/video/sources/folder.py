"""Frames of a folder of images, as cameras and data sets leave them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

from edgeattr.core.closeable import Closeable
from edgeattr.core.counted import counted
from edgeattr.core.crops import read_image
from edgeattr.core.errors import InputError
from edgeattr.video.sources.address import AS_USUAL, SourceOptions
from edgeattr.video.sources.frame import Frame
from edgeattr.video.status import StreamState

_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"))


class ImageFolderSource(Closeable):
    """The images of a folder, by name, numbers in order of size. A context manager.

    Args:
        path: of the folder; what lies in folders inside it is not read.
        name: what the stream is called; the path where empty.
        options: how it is read; ``image_rate`` gives the frames their times.

    Raises:
        InputError: there is no image.
    """

    live = False
    reconnects = 0

    def __init__(self, path: Path, *, name: str = "", options: SourceOptions = AS_USUAL) -> None:
        self.name = name or str(path)
        try:
            found = [entry for entry in path.iterdir() if entry.suffix.lower() in _SUFFIXES]
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        if not found:
            raise InputError(
                f"{path}: is a directory without images ({', '.join(sorted(_SUFFIXES))}); name "
                "the video files inside it, or a folder of images"
            )
        self._paths = sorted(found, key=_by_number)
        self._stopped = threading.Event()
        self.rate = options.image_rate
        self.announced_frames: int | None = len(self._paths)
        self.size: tuple[int, int] | None = None
        self.state: StreamState = "running"
        self.error: str | None = None
        self.damaged = 0
        self._first_damage: str | None = None
        self.endless = options.loop

    def frames(self) -> Iterator[Frame]:
        """Every image that can be decoded; others are counted in ``damaged``."""
        index = 0
        while True:
            for path in self._paths:
                if self._stopped.is_set():
                    return
                try:
                    image = read_image(path)
                except InputError as error:
                    self.damaged += 1
                    self._first_damage = self._first_damage or str(error)
                    continue
                self.size = image.shape[1], image.shape[0]
                yield Frame(image, index, index / self.rate)
                index += 1
            if not self.endless or not index:
                break
        self.state = "ended"

    @property
    def shortfall(self) -> str | None:
        """Images that could not be decoded, or None."""
        if not self.damaged:
            return None
        return (
            f"{self.name}: {counted(self.damaged, 'image')} cannot be decoded; {self._first_damage}"
        )

    def stop(self) -> None:
        """See :meth:`edgeattr.video.sources.Source.stop`."""
        self._stopped.set()

    def close(self) -> None:
        """Nothing is held. May be called twice."""


def _by_number(path: Path) -> list[tuple[int, str]]:
    """So that 10.jpg comes after 9.jpg."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
