"""Augmentation."""

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr_train.transforms import Augmentation, augment

_STILL = {"flip": 0, "shift": 0, "scale": 0, "brightness": 0, "colour": 0, "degrade": 0, "erase": 0}


def _image(seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (64, 32, 3), dtype=np.uint8)


def _still(**changes: float) -> Augmentation:
    return Augmentation(**{**_STILL, **changes})


def test_mirrored() -> None:
    assert np.array_equal(
        augment(_image(), _still(flip=1), np.random.default_rng(0)).crop, _image()[:, ::-1]
    )


def test_the_same_seed_gives_the_same_crop() -> None:
    image, options = _image(), Augmentation(erase=1, degrade=1)
    first, again, other = (
        augment(image, options, np.random.default_rng(seed)).crop for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(image, _image())  # left as it was


@pytest.mark.parametrize("seed", range(5))
def test_gain_stays_within_its_range(seed: int) -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    out = augment(grey, _still(brightness=0.2, colour=0.1), np.random.default_rng(seed)).crop
    assert len(np.unique(out.reshape(-1, 3), axis=0)) == 1
    assert (out >= 100 * 0.8 * 0.9 - 1).all()
    assert (out <= 100 * 1.2 * 1.1).all()


@pytest.mark.parametrize("seed", range(5))
def test_shift_moves_the_crop_and_fills_with_grey(seed: int) -> None:
    white = np.full((100, 50, 3), 255, np.uint8)
    out = augment(white, _still(shift=0.1), np.random.default_rng(seed)).crop
    rows, columns = (out[:, 25, 0] < 200).sum(), (out[50, :, 0] < 200).sum()
    assert 0 <= rows <= 10
    assert 0 <= columns <= 5
    assert out.min() >= 128


@pytest.mark.parametrize("seed", range(5))
def test_erasing_stays_within_its_area(seed: int) -> None:
    black = np.zeros((64, 32, 3), np.uint8)
    out = augment(black, _still(erase=1, erase_area=0.2), np.random.default_rng(seed)).crop
    rows, columns = np.nonzero(out.any(2))
    box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert 0 < box <= 0.2 * 64 * 32


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_keeps_book_of_what_is_left(seed: int) -> None:
    """The picture's rows count from 0 to 200: what is shown says where the cut was."""
    rows = np.repeat(np.arange(200, dtype=np.uint8)[:, None], 40, 1)
    image = np.repeat(rows[:, :, None], 3, 2)
    varied = augment(image, _still(cut=1), np.random.default_rng(seed))
    top, bottom = varied.crop[2, 20, 0] / 200, varied.crop[-3, 20, 0] / 200
    assert bottom - top < 0.97
    head, upper, lower, feet = varied.visible.tolist()
    assert {head, upper, lower, feet} <= {-1, 0, 1}
    for part, (start, end) in zip(
        (head, upper, lower, feet), ((0, 0.16), (0.17, 0.5), (0.5, 0.9), (0.92, 1)), strict=True
    ):
        shown = min(end, bottom) - max(start, top)
        if shown < 0.1 * (end - start):
            assert part == 0
        if shown > 0.9 * (end - start):
            assert part == 1


@pytest.mark.parametrize("seed", range(5))
def test_an_occluder_hides_what_it_covers(seed: int) -> None:
    image = np.full((100, 40, 3), 200, np.uint8)
    image[:, 8:32] = 7
    varied = augment(image, _still(cover=1), np.random.default_rng(seed))
    covered = float((varied.crop[:, 20] != 7).any(1).mean())
    assert 0.05 < covered < 0.6
    if covered > 0.15:
        assert varied.visible[3] == 0
    assert varied.visible[0] == 1


@pytest.mark.parametrize("kind", ["grey", "dark"])
def test_grey_and_dark_pictures_tell_no_colours(kind: str) -> None:
    varied = augment(_image(), _still(**{kind: 1}), np.random.default_rng(0))
    assert not varied.coloured
    if kind == "grey":
        assert (varied.crop.max(2) == varied.crop.min(2)).all()
    else:
        assert varied.crop.mean() < 0.45 * _image().mean()


def test_other_cameras_change_the_pixels_alone() -> None:
    options = _still(blur=1, compress=1, saturation=0.5, gamma=0.3, degrade=1)
    varied = augment(_image(), options, np.random.default_rng(0))
    assert varied.crop.shape == _image().shape
    assert not np.array_equal(varied.crop, _image())
    assert varied.visible.tolist() == [1, 1, 1, 1]
    assert varied.coloured
