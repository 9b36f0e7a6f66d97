"""A window on the desktop."""

from __future__ import annotations

import os
import sys

import cv2

from edgeattr.core.crops import Image
from edgeattr.core.errors import RuntimeFailure

__all__ = ["Window"]

_NO_DESKTOP = "--show needs a desktop, and there is none here; write --output out.mp4 instead"


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
