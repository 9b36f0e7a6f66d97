"""Where results go: JSON Lines, an annotated MP4, a window."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import cv2

from edgeattr.crops import Image
from edgeattr.errors import InputError, MissingDependency, RuntimeFailure

__all__ = ["EventsFile", "VideoFile", "Window"]

_MP4_OPTIONS = {"preset": "veryfast", "crf": "23"}


class EventsFile:
    """One JSON object a line, each complete on disk before the next begins.

    Args:
        path: the file, or None for standard output.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._stream: TextIO = sys.stdout
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by close()
            except OSError as error:
                raise InputError(f"{path}: cannot be written ({error.strerror})") from error

    def write(self, event: Mapping[str, Any]) -> None:
        """Append one event and hand it to the operating system.

        Raises:
            InputError: the disk is full, or the reader of the pipe went away.
        """
        try:
            self._stream.write(json.dumps(event, ensure_ascii=False) + "\n")
            self._stream.flush()
        except OSError as error:
            raise InputError(f"{self.path or 'standard output'}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self.path is not None:
            self._stream.close()


class VideoFile:
    """An H.264 MP4 that plays in browsers; it takes its name when it is complete.

    Args:
        path: ends in ``.mp4``.
        size: width and height of the frames.
        rate: frames per second.

    Raises:
        InputError: the name does not end in .mp4, or the file cannot be written.
        MissingDependency: PyAV is not installed.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        if path.suffix.lower() != ".mp4":
            raise InputError(f"--output {path}: only .mp4 files can be written")
        try:
            import av
        except ImportError as error:
            raise MissingDependency("av", extra=None, purpose="write MP4 files") from error
        from fractions import Fraction

        self._av, self._path = av, path
        self._size = size[0] // 2 * 2, size[1] // 2 * 2  # 4:2:0 wants even sides
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".mp4", dir=path.parent)
            os.close(handle)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
        self._temporary = Path(name)
        self._container = av.open(name, "w")
        exact = Fraction(rate).limit_denominator(1001)
        self._stream: Any = self._container.add_stream("libx264", rate=exact, options=_MP4_OPTIONS)
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"

    def write(self, image: Image) -> None:
        """Append one frame, resized if the stream changed its size.

        Raises:
            RuntimeFailure: the encoder failed or the disk is full.
        """
        width, height = self._size
        if image.shape[1] // 2 * 2 != width or image.shape[0] // 2 * 2 != height:
            image = cv2.resize(image, self._size)  # type: ignore[assignment]
        frame = self._av.VideoFrame.from_ndarray(image[:height, :width], format="bgr24")
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, ValueError) as error:
            raise RuntimeFailure(
                f"{self._path}: the frame could not be written: {error}"
            ) from error

    def close(self) -> None:
        """Finish the file and put it in place."""
        if not self._temporary.exists():
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(self._temporary, 0o666 & ~umask)
            os.replace(self._temporary, self._path)
        except (OSError, ValueError) as error:
            raise RuntimeFailure(f"{self._path}: could not be finished: {error}") from error
        finally:
            self._temporary.unlink(missing_ok=True)


class Window:
    """A window on the desktop; Escape or q asks to stop.

    Args:
        title: of the window.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self.wants_stop = False

    def write(self, image: Image) -> None:
        """Show one frame.

        Raises:
            RuntimeFailure: there is no desktop.
        """
        try:
            cv2.imshow(self._title, image)
            self.wants_stop |= cv2.waitKey(1) & 0xFF in (27, ord("q"))
        except cv2.error as error:
            raise RuntimeFailure("--show needs a desktop; write --output out.mp4") from error

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(self._title)
