import os
import time
import uuid
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.core.errors import OutputError
from edgeattr.core.prediction import TrackRecord
from edgeattr.outputs.thumbnails import ThumbnailWriter, delete_old

_DAY = 86400


def _record() -> TrackRecord:
    return TrackRecord(
        stream="door", track=1, first_s=0, last_s=1, frames=9, crops_classified=1,
        box=(0, 0, 1, 1), attributes={}, id=str(uuid.uuid4()),
    )  # fmt: skip


def test_a_picture_is_kept_under_the_record_s_id(tmp_path: Path) -> None:
    record, crop = _record(), np.full((60, 30, 3), (10, 120, 200), np.uint8)
    place = ThumbnailWriter(tmp_path / "crops").keep(record, crop, live=False).result()
    assert place == str(tmp_path / "crops" / f"{record.id}.jpg")
    read = cv2.imread(place)
    assert read.shape == crop.shape
    assert np.abs(read.astype(int) - crop).max() < 6


def test_old_pictures_of_ours_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    folder = ThumbnailWriter(tmp_path, retention_days=2)
    crop = np.zeros((8, 8, 3), np.uint8)
    old, new = (Path(folder.keep(_record(), crop, live=True).result()) for _ in range(2))
    other = tmp_path / "holiday.jpg"
    other.write_bytes(b"not ours")
    for path in (old, other):
        os.utime(path, (time.time() - 3 * _DAY,) * 2)
    part = tmp_path / f".{old.stem}-x7_k.jpg"  # what a kill left
    part.write_bytes(b"half")
    os.utime(part, (time.time() - 3 * _DAY,) * 2)
    assert folder.sweep() == 2
    assert sorted(tmp_path.iterdir()) == sorted([new, other])
    assert ThumbnailWriter(tmp_path).sweep() == 0


def test_endings_of_two_parts_are_told_apart(tmp_path: Path) -> None:
    name = str(uuid.uuid4())
    ours = [tmp_path / f"{name}.explain.html", tmp_path / f".{name}.explain-a_1.html"]
    others = [tmp_path / it for it in (f"{name}.png", f"{name}.explain.json", "explain.html")]
    for path in (*ours, *others):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - 3 * _DAY,) * 2)
    for days, deleted in ((None, 0), (4, 0), (2, 2)):
        assert delete_old(tmp_path, days, "explain.html") == deleted
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_folder_that_went_away_is_made_again_and_no_part_is_left(tmp_path: Path) -> None:
    folder = ThumbnailWriter(tmp_path / "crops", retention_days=1)
    (tmp_path / "crops").rmdir()
    assert folder.sweep() == 0
    (tmp_path / "crops").write_text("a file now")
    with pytest.raises(OutputError, match="cannot be written"):
        folder.keep(_record(), np.zeros((8, 8, 3), np.uint8), live=True)
    (tmp_path / "crops").unlink()
    assert Path(folder.keep(_record(), np.zeros((8, 8, 3), np.uint8), live=True).result()).exists()
