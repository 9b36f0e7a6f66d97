"""Where results go: JSON Lines, an annotated MP4, a window."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from edgeattr.crops import Image
from edgeattr.errors import MissingDependency, OutputError, RuntimeFailure, UsageError
from edgeattr.files import atomic_path

__all__ = ["EventsFile", "VideoFile", "Window", "check_video_name"]

_NO_DESKTOP = "--show needs a desktop, and there is none here; write --output out.mp4 instead"
_MP4_OPTIONS = {"preset": "veryfast", "crf": "23"}


class EventsFile:
    """One JSON object a line, each complete on disk before the next begins.

    Args:
        path: the file, or None for standard output.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is None:
            if sys.stdout is None:
                raise OutputError("standard output is closed; name a file with --events")
            self._stream: TextIO = sys.stdout
        else:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by close()
            except OSError as error:
                raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    def write(self, event: Mapping[str, Any]) -> None:
        """Append one event and hand it to the operating system.

        Raises:
            OutputError: the disk is full, or the reader of the pipe went away.
        """
        try:
            self._stream.write(json.dumps(event, ensure_ascii=False) + "\n")
            self._stream.flush()
        except OSError as error:
            raise OutputError(f"{self.path or 'standard output'}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self.path is not None:
            with contextlib.suppress(OSError):  # each line was handed over, or reported, before
                self._stream.close()


class VideoFile:
    """An H.264 MP4 that plays in browsers; it takes its name when it is closed.

    What was written before an interruption is kept: closing makes it a whole, shorter video. If
    the encoder or the disk fails, nothing takes the place of what was there before.

    Args:
        path: ends in ``.mp4``.
        size: width and height of the frames.
        rate: frames per second.

    Raises:
        UsageError: the name does not end in .mp4.
        OutputError: the file cannot be written.
        MissingDependency: PyAV is not installed.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        check_video_name(path)
        try:
            import av
        except ImportError as error:
            raise MissingDependency("av", extra=None, purpose="write MP4 files") from error
        self._av, self._path = av, path
        self._size = size[0] // 2 * 2, size[1] // 2 * 2  # 4:2:0 wants even sides
        self._whole = contextlib.ExitStack()
        self._open = True
        try:
            temporary = self._whole.enter_context(atomic_path(path))
            self._container = av.open(str(temporary), "w")
            exact = Fraction(rate).limit_denominator(1001)
            self._stream: Any = self._container.add_stream(
                "libx264", rate=exact, options=_MP4_OPTIONS
            )
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise self._fail(error) from error
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"

    def write(self, image: Image) -> None:
        """Append one frame, resized if the stream changed its size.

        Raises:
            OutputError: the encoder failed or the disk is full.
        """
        width, height = self._size
        if image.shape[1] // 2 * 2 != width or image.shape[0] // 2 * 2 != height:
            image = cv2.resize(image, self._size).astype(np.uint8, copy=False)
        try:
            frame = self._av.VideoFrame.from_ndarray(image[:height, :width], format="bgr24")
            self._container.mux(self._stream.encode(frame))
        except (OSError, ValueError, self._av.error.FFmpegError) as error:
            raise self._fail(error) from error

    def close(self) -> None:
        """Finish the file and put it in place. May be called twice.

        Raises:
            OutputError: the encoder failed or the disk is full.
        """
        if not self._open:
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._open = False
            self._whole.close()
        except (OSError, ValueError, self._av.error.FFmpegError) as error:
            raise self._fail(error) from error

    def _fail(self, error: BaseException) -> OutputError:
        """Drop the unfinished file."""
        self._open = False
        with contextlib.suppress(Exception):
            self._whole.__exit__(type(error), error, None)
        return OutputError(f"{self._path}: cannot be written ({error}); nothing was replaced")


def check_video_name(path: Path) -> None:
    """Refuse what cannot be written as MP4.

    Raises:
        UsageError: the name does not end in .mp4.
    """
    if path.suffix.lower() != ".mp4":
        raise UsageError(f"--output {path}: only .mp4 files can be written")


class Window:
    """A window on the desktop; Escape or q asks to stop.

    Args:
        title: of the window.

    Raises:
        RuntimeFailure: there is no desktop.
    """

    def __init__(self, title: str) -> None:
        if sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise RuntimeFailure(_NO_DESKTOP)  # the toolkit would end the process
        self._title = title
        self._shown = False
        self.wants_stop = False

    def write(self, image: Image) -> None:
        """Show one frame.

        Raises:
            RuntimeFailure: this OpenCV has no windows.
        """
        try:
            cv2.imshow(self._title, image)
        except cv2.error as error:
            raise RuntimeFailure(_NO_DESKTOP) from error
        self._shown = True
        self.wants_stop |= cv2.waitKey(1) & 0xFF in (27, ord("q"))

    def close(self) -> None:
        """Close the window. May be called twice."""
        if self._shown:
            cv2.destroyWindow(self._title)
            self._shown = False
