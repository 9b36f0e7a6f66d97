"""Clothing Co-Parsing: people, tags and masks; clothes in another colour."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.core.errors import InputError
from edgeattr_train.data.clothing_parsing import painted, photos


def _folder(folder: Path) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir()
    (folder / "classes.txt").write_text("null\nhair\nshirt\n")
    (folder / "labels.csv").write_text(
        "path,annotation,person_box_ltrb,tags\n"
        "images/1.jpg,mask,10.4 20.0 29.6 70.0,hair shirt\n"
        "images/2.jpg,tags,,hat\n"
    )
    mask = np.zeros((80, 40), np.uint8)
    mask[20:30, 15:25], mask[30:50, 12:28] = 1, 2
    for name in ("1", "2"):
        cv2.imwrite(str(folder / f"images/{name}.jpg"), np.full((80, 40, 3), 90, np.uint8))
    cv2.imwrite(str(folder / "masks/1.png"), mask)
    return folder


def test_people_are_cut_out_with_their_masks(tmp_path: Path) -> None:
    masked, tagged = photos(_folder(tmp_path))
    assert masked.box == (8, 18, 23, 54), "a margin of 4 % of the height around the box"
    assert masked.read().shape == (54, 23, 3)
    assert masked.mask("shirt").sum() == 20 * 16
    assert masked.mask("hair", "shirt").sum() == 20 * 16 + 10 * 10
    assert tagged.box[2] == 0
    assert tagged.read().shape == (80, 40, 3)
    assert tagged.tags == {"hat"}
    assert [photo.path.name for photo in photos(tmp_path, with_masks=True)] == ["1.jpg"]


def test_a_mask_that_is_missing_is_named(tmp_path: Path) -> None:
    *_, tagged = photos(_folder(tmp_path))
    with pytest.raises(InputError, match=r"2\.png"):
        tagged.mask("hair")


def test_paint_keeps_folds_and_what_lies_beside() -> None:
    image = np.full((40, 40, 3), 120, np.uint8)
    image[10:30:4, 10:30] = 90  # folds
    where = np.zeros((40, 40), np.bool_)
    where[10:30, 10:30] = True
    red = painted(image, where, (45, 55, 35)).astype(int)
    assert (red[:6] == image[:6]).all()
    inside = red[13:27, 13:27]
    assert (inside[..., 2] > inside[..., 1] + 60).all(), "red"
    assert inside[1, :, 2].mean() < inside[3, :, 2].mean() - 5, "a fold is darker than cloth"
