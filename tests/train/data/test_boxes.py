"""MOTChallenge's and COCO's layouts: what is read, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.core.errors import InputError, UsageError
from edgeattr_train.data.boxes import is_box_spec, open_boxes


def _image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))


def test_mot_sequences(tmp_path: Path) -> None:
    for frame in (1, 2):
        _image(tmp_path / "A" / "img1" / f"{frame:06d}.jpg")
    truth = tmp_path / "A" / "gt" / "gt.txt"
    truth.parent.mkdir()
    truth.write_text(
        "1,1,10,5,8,20,1,1,0.9\n1,2,30,5,8,20,0,1,1\n2,3,1,1,5,5,1,3,1\n2,4,2,2,6,6,1,7,1\n"
    )
    data = open_boxes(f"mot:{tmp_path}")
    first, second = data.read()
    assert (data.name, data.frames, first.image.shape) == ("mot", 2, (48, 64, 3))
    assert first.people.tolist() == [[10, 5, 18, 25]]
    assert first.ignore.tolist() == [[30, 5, 38, 25]]  # it does not count
    assert len(second.people) == 0  # a car
    assert second.ignore.tolist() == [[2, 2, 8, 8]]  # a static person
    assert open_boxes(f"mot:{tmp_path / 'A'}").frames == 2


def test_the_real_video_beside_its_ground_truth(shared: Path) -> None:
    data = open_boxes(f"mot:{shared / 'mot'}")
    frames = list(data.read())
    assert data.frames == len(frames) == 179
    assert sum(len(frame.people) for frame in frames) == 1156
    assert frames[0].image.shape == (480, 640, 3)


def test_coco(tmp_path: Path) -> None:
    _image(tmp_path / "val" / "a.jpg")
    index = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0},
            {"image_id": 7, "category_id": 1, "bbox": [9, 9, 9, 9], "iscrowd": 1},
            {"image_id": 7, "category_id": 2, "bbox": [5, 5, 5, 5], "iscrowd": 0},
        ],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(index))
    (frame,) = open_boxes(f"coco:{tmp_path}").read()
    assert frame.people.tolist() == [[1, 2, 4, 6]]
    assert frame.ignore.tolist() == [[9, 9, 18, 18]]


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found neither"):
        open_boxes(f"mot:{tmp_path}")
    with pytest.raises(InputError, match="no such folder"):
        open_boxes(f"mot:{tmp_path / 'nowhere'}")
    with pytest.raises(UsageError, match="not mot:DIR or coco:DIR"):
        open_boxes("peta:/data")
    with pytest.raises(InputError, match=r"annotations\*\.json"):
        open_boxes(f"coco:{tmp_path}")
    (tmp_path / "annotations.json").write_text('{"images": []}')
    with pytest.raises(InputError, match="not COCO's JSON"):
        open_boxes(f"coco:{tmp_path}")
    _image(tmp_path / "B" / "img1" / "000001.jpg")
    (tmp_path / "B" / "gt").mkdir()
    (tmp_path / "B" / "gt" / "gt.txt").write_text("1,1,ten,5,8,20,1\n")
    with pytest.raises(InputError, match="line 1: '1,1,ten"):
        open_boxes(f"mot:{tmp_path}")
    assert is_box_spec("mot:x")
    assert not is_box_spec("mot")
