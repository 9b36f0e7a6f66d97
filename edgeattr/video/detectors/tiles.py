"""Small people in large frames: overlapping parts of the frame at full size, and the whole."""

from __future__ import annotations

import numpy as np

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.video.detectors.protocol import Detections, Detector, suppress

_OVERLAP = 0.12  # of the frame's side: who is taller is found in the whole frame
_SAME = 0.5  # intersection over union beyond which boxes of two parts are one person
_EDGE = 0.02  # of a tile's side; a box that ends so near to a cut shows part of a person


class TiledDetector(Closeable):
    """Looks at a frame as a whole and at its tiles; threads may share it.

    A box that a tile's inner edge cuts off is left out: the person is whole in the tile beside it,
    or in the frame.

    Args:
        detector: closed with this.
        tiles: rows and columns.
    """

    def __init__(self, detector: Detector, tiles: tuple[int, int]) -> None:
        self._detector, self._tiles = detector, tiles
        self.name, self.engine = detector.name, detector.engine
        self.precision = detector.precision

    def detect(self, image: Image) -> Detections:
        """See :meth:`Detector.detect`."""
        height, width = image.shape[:2]
        whole = self._detector.detect(image)
        boxes, scores = [whole.boxes], [whole.scores]
        for top, bottom in _spans(height, self._tiles[0]):
            for left, right in _spans(width, self._tiles[1]):
                tile = np.ascontiguousarray(image[top:bottom, left:right])
                found = self._detector.detect(tile)
                placed = found.boxes + np.array([left, top, left, top], np.float32)
                inner = [left > 0, top > 0, right < width, bottom < height]
                gaps = np.abs(placed - np.array([left, top, right, bottom], np.float32))
                sides = np.array([right - left, bottom - top] * 2, np.float32)
                complete = ~((gaps < _EDGE * sides) & np.array(inner)).any(1)
                boxes.append(placed[complete])
                scores.append(found.scores[complete])
        return suppress(np.concatenate(boxes), np.concatenate(scores), _SAME, image.shape)

    def close(self) -> None:
        """Release the detector."""
        self._detector.close()


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    """Begin and end of each of so many tiles along a side, overlapping."""
    if count == 1:
        return [(0, length)]
    side = length * (1 + (count - 1) * _OVERLAP) / count
    starts = [round(index * (side - length * _OVERLAP)) for index in range(count)]
    return [(start, min(length, round(start + side))) for start in starts]
