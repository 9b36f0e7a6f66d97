"""The calibration crops on one sheet, as a JPEG file in memory."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["SHOWN", "contact_sheet"]

SHOWN = 48  # crops at most

_COLUMNS = 12  # at most
_LONGEST = 128  # pixels of a thumbnail's longer side
_GAP = 2  # pixels around a thumbnail
_GREY = 128  # of the gaps: at home on a light and on a dark page
_QUALITY = 82  # of the JPEG file, 0..100


def contact_sheet(crops: npt.NDArray[np.uint8]) -> bytes:
    """Crops side by side, picked evenly from first to last.

    Args:
        crops: uint8 [n, H, W, 3], BGR, n at least 1.

    Returns:
        A JPEG file of at most :data:`SHOWN` thumbnails.
    """
    count = min(SHOWN, len(crops))
    picked = crops[np.linspace(0, len(crops) - 1, count).round().astype(int)]
    rows = -(-count // _COLUMNS)
    columns = -(-count // rows)
    thumbnails = [_thumbnail(crop) for crop in picked]
    height, width = (length + 2 * _GAP for length in thumbnails[0].shape[:2])
    sheet = np.full((rows * height, columns * width, 3), _GREY, np.uint8)
    for place, thumbnail in enumerate(thumbnails):
        top, left = place // columns * height + _GAP, place % columns * width + _GAP
        sheet[top : top + height - 2 * _GAP, left : left + width - 2 * _GAP] = thumbnail
    _, content = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return content.tobytes()


def _thumbnail(crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The crop with its longer side as long as a thumbnail's, its shape kept."""
    height, width = crop.shape[:2]
    scale = _LONGEST / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, size, interpolation=way)).astype(np.uint8, copy=False)
