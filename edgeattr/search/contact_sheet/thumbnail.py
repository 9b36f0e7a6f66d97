"""The thumbnail of a record: its crop, decoded, made small and encoded anew."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeattr.report import jpeg_uri

__all__ = ["Thumbnail", "thumbnail_of"]

_HIGHEST, _WIDEST = 480, 400  # pixels as shown on the page
_LARGEST = 32 << 20  # bytes of a file that is looked at
_MOST_PIXELS = 64_000_000  # decoded: 192 MB
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's markers that tell the size


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A thumbnail for the page, or why there is none."""

    uri: str | None = None  # data:image/jpeg
    width: int = 0  # pixels
    height: int = 0
    problem: str = ""  # in words; empty where there is a picture


def thumbnail_of(record: Mapping[str, Any], beside: Path) -> Thumbnail:
    """Find a record's picture in the file that the record names.

    Args:
        record: a person's.
        beside: a folder where files with a relative name may lie too.
    """
    name = record.get("crop")
    if not isinstance(name, str) or not name:
        return Thumbnail(problem="no picture was kept")
    try:
        path = next((p for p in (Path(name), beside / name) if p.is_file()), Path(name))
        if not path.is_file():  # nor a device, which would never end
            return Thumbnail(problem=f"the picture is not there any more: {name}")
        if path.stat().st_size > _LARGEST:
            return Thumbnail(problem=f"too large for a picture: {name}")
        return _shown(path.read_bytes(), name)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        said = getattr(error, "strerror", None) or error
        return Thumbnail(problem=f"the picture cannot be read ({said}): {name}")


def _shown(content: bytes, name: str) -> Thumbnail:
    """Decode, make smaller if need be, and encode again: nothing else of the file remains."""
    import cv2
    import numpy as np

    size = _jpeg_size(content)
    if size is None or not 0 < size[0] * size[1] <= _MOST_PIXELS:
        return Thumbnail(problem=f"no JPEG picture, or too large: {name}")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        return Thumbnail(problem=f"the picture is damaged: {name}")
    height, width = image.shape[:2]
    scale = min(1.0, _HIGHEST / height, _WIDEST / width)
    if scale < 1:
        new = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, new, interpolation=cv2.INTER_AREA)
    return Thumbnail(
        uri=jpeg_uri(image.astype(np.uint8, copy=False)),
        width=image.shape[1],
        height=image.shape[0],
    )


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Height and width as a JPEG's head says, before anything is decoded."""
    place = 2
    if content[:2] != b"\xff\xd8":
        return None
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = struct.unpack_from(">BH", content, place + 1)
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # have no length, and no business here
            return None
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return height, width
        place += 1 if marker == 0xFF else 2 + length  # 0xFF: padding
    return None
