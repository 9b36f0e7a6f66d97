"""One annotated JPEG a second of a camera, while somebody looks at it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import cv2

from edgeattr.core.crops import Image

_BETWEEN = 1.0  # seconds between two pictures of a stream
_ASKED = 5.0  # seconds for which one request has pictures made
_FRESH = 5.0  # seconds after which a picture is shown no more
_LONGEST_SIDE = 1280  # pixels
_QUALITY = 75  # of the JPEG


@dataclass
class _Camera:
    """What is kept of one stream."""

    asked: float = float("-inf")  # when somebody asked last, monotonic seconds
    made: float = float("-inf")  # when the picture was made
    picture: bytes = b""


class LivePictures:
    """An output that keeps the latest picture of each stream that somebody looks at.

    Nothing is drawn or encoded while nobody asks, and nothing is kept longer than a few seconds.
    Several threads may ask and write at once.
    """

    name = "live pictures"

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera] = {}
        self._lock = threading.Lock()

    def wants_frame(self, stream: str) -> bool:
        """Whether somebody asked in the last seconds, and the picture is a second old."""
        now = time.monotonic()
        with self._lock:
            camera = self._cameras.get(stream)
            if camera is None:
                return False
            if now - camera.asked > _ASKED:
                del self._cameras[stream]
                return False
            return now - camera.made >= _BETWEEN

    def write_frame(self, stream: str, image: Image, seconds: float) -> None:
        """Keep one annotated frame, uint8 [H, W, 3] BGR, as a JPEG of at most 1280 pixels."""
        scale = min(1.0, _LONGEST_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        with self._lock:
            camera = self._cameras.get(stream)
            if camera:
                camera.picture, camera.made = picture, time.monotonic()

    def ask(self, stream: str) -> bytes | None:
        """The latest picture, JPEG; None where it is still to be made. Has the next ones made."""
        now = time.monotonic()
        with self._lock:
            camera = self._cameras.setdefault(stream, _Camera())
            camera.asked = now
            return camera.picture if now - camera.made <= _FRESH else None
