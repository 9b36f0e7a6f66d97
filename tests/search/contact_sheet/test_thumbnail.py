"""Pictures of hostile files: none is decoded that claims to be smaller than it is."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.search.contact_sheet.page import thumbnail_of


def _size(height: int, width: int) -> bytes:
    return b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width) + b"\x03" + b"\x01\x11\x00" * 3


@pytest.mark.parametrize("marker", [b"\xff\x01", b"\xff\xd0", b"\xff\xd8"])
def test_a_second_size_cannot_hide_behind_a_marker_without_a_length(
    marker: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "crop.jpg"
    path.write_bytes(
        b"\xff\xd8" + marker + b"\xff\xfe" + _size(16, 16) + _size(40_000, 40_000) + b"\xff\xd9"
    )
    found = thumbnail_of({"id": "a", "crop": str(path)}, tmp_path)
    assert found.uri is None
    assert "crop.jpg" in found.problem


def test_a_cut_picture_is_shown_as_far_as_it_goes_or_named(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (96, 40, 3), np.uint8)
    content = cv2.imencode(".jpg", image)[1].tobytes()
    path = tmp_path / "crop.jpg"
    for length in (3, 20, len(content) // 2, len(content)):
        path.write_bytes(content[:length])
        found = thumbnail_of({"id": "a", "crop": str(path)}, tmp_path)
        assert bool(found.uri) != bool(found.problem)
    assert (found.height, found.width) == (96, 40)
