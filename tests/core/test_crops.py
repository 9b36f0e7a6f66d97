import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.crops import as_bgr, cut_boxes, fill_crops, read_image, resize_crop, stack_crops
from edgeattr.core.errors import InputError

from ..bomb import bomb

_BGR = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3)
_FRAME = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


@pytest.mark.parametrize(
    "image",
    [_BGR, _BGR[:, :, 0], _BGR[:, :, :1], np.dstack([_BGR, _BGR[:, :, 0]]), _BGR / 255.0,
     _BGR.astype(np.float32), _BGR.astype(np.int64), _BGR > 9],
    ids=["bgr", "grey", "grey with channel", "bgra", "0..1", "float", "int64", "bool"],
)  # fmt: skip
def test_images_become_uint8_bgr(image: np.ndarray, request: pytest.FixtureRequest) -> None:
    result = as_bgr(image)
    assert (result.dtype, result.shape) == (np.uint8, (4, 3, 3))
    if not request.node.callspec.id.startswith(("grey", "bool")):
        assert np.array_equal(result, _BGR)
    assert image is not _BGR or np.shares_memory(result, image)


_BROKEN = np.where(np.indices(_FRAME.shape).max(0) < 8, np.nan, _FRAME)  # but not at the right


def _cut(*boxes: Any, frame: Any = _FRAME) -> Callable[[], object]:
    return lambda: cut_boxes(frame, [(10, 10, 20, 20), *boxes])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: as_bgr(np.zeros((3, 4, 2), np.uint8)), "1, 3 or 4 channels"),
        (lambda: as_bgr(np.zeros((2, 3, 4, 3), np.uint8)), r"shape \(2, 3, 4, 3\)"),
        (lambda: as_bgr(np.zeros((0, 4, 3), np.uint8)), "no pixels"),
        (lambda: as_bgr(np.array([["a"]])), "dtype"),
        (lambda: as_bgr(np.full((2, 2, 3), -1.5)), "from -1.5"),
        (lambda: as_bgr(np.full((2, 2, 3), np.nan)), "nan"),
        (lambda: as_bgr(np.full((2, 2, 3), 70000, np.int32)), "70000"),
        (lambda: as_bgr(None), "crop is None"),
        (lambda: stack_crops([_BGR, np.zeros((0, 1, 3))], 8, 4), "crop 1 has no pixels"),
        *(
            (lambda rows=rows: stack_crops([_BGR, rows], 8, 8), r"crop 1, a list, is no array of p")
            for rows in ([[1, 2], [3]], [[[1, 2, 3]], [[1, 2]]], [_BGR, _BGR[:2]])
        ),
        (_cut(frame=None), "the frame is None; expected the pixels of a picture"),
        (_cut(frame="a.jpg"), r"the frame is 'a.jpg' \(str\); expected the pixels"),
        (_cut(frame=Path("a.jpg")), r"the frame is PosixPath\('a.jpg'\) \(PosixPath\); expected"),
        (_cut(frame={}), r"the frame is {} \(dict\); expected the pixels"),
        (_cut((0, 0, 10, 10), frame=_BROKEN), "the frame in box 1 has values from nan to nan"),
        (_cut((8, 3, 2, 15)), "box 1 .* has no pixels inside the frame of 30x20"),
        (_cut((40, 3, 50, 15)), "no pixels inside"),
        *(
            (_cut(box), r"box 1 is .*; expected left, top, right, bottom")
            for box in ((1, 2, 3), (1, 2, float("nan"), 4), "1234567", None, 1)
        ),
        *(
            (lambda boxes=boxes: cut_boxes(_FRAME, boxes), r"boxes are .*; expected a list of \[l")
            for boxes in (None, 7, np.array(7), 1.5)
        ),
    ],
)
def test_what_is_no_picture_or_box_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_stack_of_nothing_and_of_one_pixel() -> None:
    assert stack_crops([], 8, 4).shape == (0, 8, 4, 3)
    batch = stack_crops([np.full((1, 1, 3), 9, np.uint8)], 8, 4)
    assert (batch == 9).all()


def test_resize_rule_averages_when_shrinking_and_interpolates_otherwise() -> None:
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (600, 300, 3), dtype=np.uint8)
    tall = rng.integers(0, 256, (600, 20, 3), dtype=np.uint8)
    area = cv2.resize(large, (128, 256), interpolation=cv2.INTER_AREA)
    linear = cv2.resize(tall, (128, 256), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(resize_crop(large, 256, 128), area)
    assert np.array_equal(resize_crop(tall, 256, 128), linear)


def test_views_that_are_not_contiguous_give_the_same_pixels() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    view = frame[10:70:2, 60:20:-1]
    direct = resize_crop(np.ascontiguousarray(view), 64, 32)
    assert np.array_equal(stack_crops([view], 64, 32)[0], direct)


def test_unreadable_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_image(tmp_path / "absent.png")
    for name, content in (("empty.jpg", b""), ("text.jpg", b"hello")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match="not an image"):
            read_image(path)
    path.write_bytes(bomb(40_000))
    with pytest.raises(InputError, match="OpenCV cannot decode it: pixels"):
        read_image(path)


def test_boxes_are_views_of_the_frame() -> None:
    inside, outside = cut_boxes(_FRAME, [(2, 3, 8, 15), (-4.2, 10.4, 99, 99)])
    assert np.array_equal(inside, _FRAME[3:15, 2:8])
    assert np.array_equal(outside, _FRAME[10:, :])
    assert np.shares_memory(inside, _FRAME)
    assert cut_boxes(_FRAME, np.empty((0, 4))) == []
    assert len(cut_boxes(_BROKEN, [(10, 10, 20, 20)])) == 1, "looked at by box"


@pytest.mark.parametrize(
    "frame",
    [
        _FRAME / 255.0,
        _FRAME.astype(np.float32),
        (_FRAME / 255.0 * 0.999).astype(np.float16),
        _FRAME.astype(np.int64),
        _FRAME[:, :, 0],
        np.dstack([_FRAME, _FRAME[:, :, :1]]),
        _FRAME > 99,
        np.minimum(_FRAME, 1).astype(np.float64) * 255 * (np.indices(_FRAME.shape)[0] > 10),
    ],
)
def test_crops_of_any_frame_are_those_of_the_converted_frame(frame: npt.NDArray[Any]) -> None:
    boxes = [(2, 3, 8, 15), (0, 0, 4, 4), (20, 9, 30, 20)]
    converted = as_bgr(frame)
    for crop, (left, top, right, bottom) in zip(cut_boxes(frame, boxes), boxes, strict=True):
        assert crop.dtype == np.uint8
        assert np.array_equal(crop, converted[top:bottom, left:right])


def test_a_box_costs_its_pixels_and_not_the_frame() -> None:
    frame = np.zeros((2160, 3840, 3), np.float32)
    frame[0, 0] = 255
    tracemalloc.start()
    assert cut_boxes(frame, [(100, 100, 180, 300)])[0].max() == 0
    assert tracemalloc.get_traced_memory()[1] < 2e6
    tracemalloc.stop()


def test_a_batch_is_filled_in_place_from_any_crop_on() -> None:
    crops = [np.full((7, 5, 3), value, np.uint8) for value in range(6)]
    batch = np.zeros((4, 8, 6, 3), np.uint8)
    fill_crops(crops, batch[1:3], first=2)
    assert [int(each.max()) for each in batch] == [0, 2, 3, 0]
    with pytest.raises(InputError, match="crop 5"):
        fill_crops([*crops[:5], np.zeros(3)], batch[:2], first=4)
