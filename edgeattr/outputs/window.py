"""Windows on the desktop for annotated frames: streams write from their threads, one shows them."""

from __future__ import annotations

import os
import sys
import threading

import cv2

from edgeattr.core.crops import Image
from edgeattr.core.errors import RuntimeFailure

_NO_DESKTOP = "--show needs a desktop, and there is none here; write --output out.mp4 instead"
_NO_WINDOWS = (
    "--show needs an OpenCV with windows, and opencv-python-headless has none: "
    "pip uninstall --yes opencv-python-headless && pip install --force-reinstall opencv-python"
)
_ENDS = (27, ord("q"))  # keys: Escape and q


class Windows:
    """An output: one window per stream. Toolkits want all of them in one thread: :meth:`show`'s.

    Raises:
        RuntimeFailure: there is no desktop, or OpenCV has no windows.
    """

    name = "windows"

    def __init__(self) -> None:
        if sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise RuntimeFailure(_NO_DESKTOP)  # the toolkit would end the process
        if not cv2.currentUIFramework():
            raise RuntimeFailure(_NO_WINDOWS)
        self._newest: dict[str, Image] = {}
        self._shown = False
        self._lock = threading.Lock()

    def write_frame(self, stream: str, image: Image, seconds: float) -> None:
        """Take a frame; it is shown unless a newer one comes first."""
        with self._lock:
            self._newest[stream] = image

    def show(self) -> bool:
        """Show what is new. Returns whether to go on: False after q or Escape.

        Raises:
            RuntimeFailure: the desktop does not take it.
        """
        with self._lock:
            newest, self._newest = self._newest, {}
        goes_on = True
        try:
            for stream, image in newest.items():
                cv2.imshow(stream, image)
                self._shown = True
                goes_on &= cv2.waitKey(1) & 0xFF not in _ENDS
        except cv2.error as error:
            raise RuntimeFailure(_NO_DESKTOP) from error
        return goes_on

    def close_all(self) -> None:
        """Close them; only the thread of :meth:`show` may. May be called twice."""
        if self._shown:
            cv2.destroyAllWindows()
            self._shown = False
