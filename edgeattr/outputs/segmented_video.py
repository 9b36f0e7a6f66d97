"""Annotated videos of a stream: opened when its size is known, and begun anew every hour."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from edgeattr.core.crops import Image
from edgeattr.outputs.video_file import VideoFile, check_video_name

__all__ = ["LateVideoFile"]

_HOUR = 3600.0  # seconds of one file of a live stream
_OLD = 3600.0  # seconds since a part was last written, after which nobody will finish it
_MOMENT = r"-\d{8}T\d{6}Z(-\d+)?"  # in the names of a live stream's files
_MARK = r"-[a-z0-9_]{8}"  # of unfinished files, as edgeattr.core.files.atomic_path names them


class LateVideoFile:
    """A :class:`VideoFile` that is opened with its first frame.

    Args:
        path: ends in ``.mp4``.
        rate: gives the frames per second that are expected.
        hourly: begin a new file every hour of the stream, and put the time at which it begins into
            its name, so that none replaces another: ``door-20261125T193000Z.mp4``. What a kill left
            unfinished takes such a name once nobody has written to it for an hour.

    Raises:
        UsageError: the name does not end in .mp4.
    """

    def __init__(self, path: Path, rate: Callable[[], float], *, hourly: bool = False) -> None:
        check_video_name(path)
        self._path, self._rate, self._hourly = path, rate, hourly
        self._file: VideoFile | None = None
        self._began = 0.0  # seconds of the stream
        self._clear_parts()

    def write(self, image: Image, seconds: float) -> None:
        """Append one frame, shown at its time in the stream.

        Raises:
            OutputError: the encoder failed or the disk is full.
        """
        if self._file and self._hourly and seconds - self._began >= _HOUR:
            self._file.close()
            self._file = None
            self._clear_parts()
        if self._file is None:
            self._began = seconds
            self._file = VideoFile(self._name(), image.shape[1::-1], self._rate())
        self._file.write(image, seconds)

    def close(self) -> None:
        """Finish the file and put it in place; without a frame there is none. May be called twice.

        Raises:
            OutputError: the encoder failed or the disk is full.
        """
        if self._file:
            self._file.close()

    def _name(self) -> Path:
        if not self._hourly:
            return self._path
        now = datetime.datetime.now(datetime.timezone.utc)
        return self._free(f"{self._path.stem}-{now:%Y%m%dT%H%M%SZ}")

    def _free(self, stem: str) -> Path:
        names = (self._path.with_stem(f"{stem}{more}") for more in _more())
        return next(name for name in names if not name.exists())

    def _clear_parts(self) -> None:
        """Of what killed runs left: finish a live stream's videos, remove the rest."""
        hourly = _MOMENT if self._hourly else ""
        own = re.compile(rf"\.(?P<stem>{re.escape(self._path.stem)}{hourly}){_MARK}")
        folder = self._path.parent
        for part in folder.iterdir() if folder.is_dir() else ():
            named = own.fullmatch(part.stem) if part.suffix == self._path.suffix else None
            with contextlib.suppress(OSError):  # another process may do it as well
                if named is None or time.time() - part.stat().st_mtime <= _OLD:
                    continue
                if self._hourly and cv2.VideoCapture(str(part)).read()[0]:
                    part.rename(self._free(named["stem"]))
                else:
                    part.unlink()


def _more() -> Iterator[str]:
    """What makes a name another: nothing, then -2, -3, ..."""
    yield ""
    yield from (f"-{number}" for number in itertools.count(2))
