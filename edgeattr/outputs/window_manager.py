"""Windows for annotated frames: streams write from their threads, one thread shows."""

from __future__ import annotations

import threading

from edgeattr.core.crops import Image
from edgeattr.outputs.window import Window

__all__ = ["Windows"]


class Windows:
    """One window per stream. Toolkits want all of them in one thread: that of :meth:`show`."""

    def __init__(self) -> None:
        Window("edgeattr")  # refuses where there is no desktop
        self._newest: dict[str, Image] = {}
        self._shown: dict[str, Window] = {}
        self._lock = threading.Lock()

    def sinks(self, stream: str) -> tuple[_Newest]:
        """What takes a stream's annotated frames."""
        return (_Newest(self, stream),)

    def put(self, stream: str, image: Image) -> None:
        """Take a frame; it is shown unless a newer one comes first."""
        with self._lock:
            self._newest[stream] = image

    def show(self) -> bool:
        """Show what is new; gives whether to go on: False after q or Escape."""
        with self._lock:
            newest, self._newest = self._newest, {}
        for stream, image in newest.items():
            if stream not in self._shown:
                self._shown[stream] = Window(stream)
            self._shown[stream].write(image)
        return not any(window.wants_stop for window in self._shown.values())

    def close(self) -> None:
        """Close them. May be called twice."""
        for window in self._shown.values():
            window.close()


class _Newest:
    """A stream's way to its window."""

    def __init__(self, windows: Windows, stream: str) -> None:
        self._windows, self._stream = windows, stream

    def write(self, image: Image, seconds: float) -> None:
        """Take one frame."""
        self._windows.put(self._stream, image)

    def close(self) -> None:
        """The window stays until all are closed."""
