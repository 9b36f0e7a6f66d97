"""A detector for tests of what stands around one."""

from __future__ import annotations

import numpy as np

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.video.detectors import Detections


class FakeDetector(Closeable):
    """Finds somebody in the middle of every frame, whatever it shows."""

    name, engine, precision = "fake", "none", "as it is"

    def detect(self, image: Image) -> Detections:
        """One box."""
        height, width = image.shape[:2]
        box = [[0.4 * width, 0.2 * height, 0.6 * width, 0.9 * height]]
        return Detections(np.array(box, np.float32), np.array([0.9], np.float32))

    def close(self) -> None:
        """Nothing is open."""
