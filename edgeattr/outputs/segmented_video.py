"""Annotated videos of a stream: opened with its first frame, of a live one anew every hour."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from edgeattr.core.crops import Image
from edgeattr.core.errors import OutputError
from edgeattr.outputs.video_file import VideoFile, VideoOptions, check_video_name
from edgeattr.video.sources import Source

_DEFAULTS = VideoOptions()
_HOUR = 3600.0  # seconds of one file of a live stream
_FRESH = 5.0  # seconds in which a part's writer may not have locked it yet
_MOMENT = r"-\d{8}T\d{6}Z(-\d+)?"  # in the names of a live stream's files
_MARK = r"-[a-z0-9_]{8}"  # of unfinished files, as edgeattr.core.files.atomic_path names them


class SegmentedVideo:
    """An output of one stream: a :class:`VideoFile` that is opened with the first frame.

    A live stream begins a new file every hour and puts the time at which it begins into its name,
    so that none replaces another: ``door-20261125T193000Z.mp4``. What a killed run left unfinished
    takes such a name when the next run of that stream begins.

    Args:
        path: ends in ``.mp4``.
        options: the encoder, and the largest picture and rate.
        stored: called with the path of each file that was completed.

    Raises:
        UsageError: the name does not end in .mp4.
    """

    promise = (
        "a whole video takes its name when the stream ends, of a live stream every hour; a kill "
        "costs a file its name, and the next run of a live stream restores it"
    )

    def __init__(
        self,
        path: Path,
        options: VideoOptions = _DEFAULTS,
        *,
        stored: Callable[[Path], None] = lambda path: None,
    ) -> None:
        check_video_name(path)
        self.name = f"video {path}"
        self._path, self._options, self._stored = path, options, stored
        self._next = float("-inf")  # seconds of the stream before which no frame is written
        self._file: VideoFile | None = None
        self._began = 0.0  # seconds of the stream

    def begin(self, source: Source) -> None:
        """Take the rate of a stream, and deal with what earlier runs of it left.

        Raises:
            OutputError: another run writes this video.
        """
        self._source, self._hourly = source, source.live
        self._clear_parts()

    def write_frame(self, stream: str, image: Image, seconds: float) -> None:
        """Append one frame, shown at its time in the stream.

        Raises:
            OutputError: the encoder failed or the disk is full.
        """
        if seconds < self._next:
            return
        if self._options.max_rate:
            self._next = seconds + 0.99 / self._options.max_rate  # stamps are rounded
        if self._file and self._hourly and seconds - self._began >= _HOUR:
            self.close()
            self._clear_parts()
        if self._file is None:
            self._began = seconds
            rate = min(self._source.rate, self._options.max_rate or self._source.rate)
            self._file = VideoFile(self._name(), image.shape[1::-1], rate, self._options)
        self._file.write(image, seconds)

    def close(self) -> None:
        """Complete the file, if there was a frame, and put it in place. May be called twice.

        Raises:
            OutputError: the encoder failed or the disk is full.
        """
        file, self._file = self._file, None
        if file and file.close():
            self._stored(file.path)

    def _name(self) -> Path:
        if not self._hourly:
            return self._path
        now = datetime.datetime.now(datetime.timezone.utc)
        return self._free(f"{self._path.stem}-{now:%Y%m%dT%H%M%SZ}")

    def _free(self, stem: str) -> Path:
        names = (self._path.with_stem(f"{stem}{more}") for more in _more())
        return next(name for name in names if not name.exists())

    def _clear_parts(self) -> None:
        """Of what killed runs left: complete a live stream's videos, remove the rest."""
        for part, stem in self._parts():
            with contextlib.suppress(OSError):  # another process may do it as well
                if _is_written(part):
                    if self._hourly:
                        continue
                    raise OutputError(
                        f"{self._path}: another run writes it; give this one a file of its own"
                    )
                if self._hourly and cv2.VideoCapture(str(part)).read()[0]:
                    part.rename(self._free(stem))
                elif time.time() - part.stat().st_mtime > _FRESH:
                    part.unlink()

    def _parts(self) -> Iterator[tuple[Path, str]]:
        """Unfinished files of this video, and the stems of their names to be."""
        hourly = _MOMENT if self._hourly else ""
        own = re.compile(rf"\.(?P<stem>{re.escape(self._path.stem)}{hourly}){_MARK}")
        folder = self._path.parent
        for part in list(folder.iterdir()) if folder.is_dir() else ():
            named = own.fullmatch(part.stem) if part.suffix == self._path.suffix else None
            if named:
                yield part, named["stem"]


def _is_written(part: Path) -> bool:
    """Whether a process has it open for writing: VideoFile locks what it writes."""
    with open(part, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _more() -> Iterator[str]:
    """What makes a name another: nothing, then -2, -3, ..."""
    yield ""
    yield from (f"-{number}" for number in itertools.count(2))
