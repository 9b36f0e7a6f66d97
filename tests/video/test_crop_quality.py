import functools
import itertools
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.video.schedule import assess_crop, assess_whole_crop, crop_of
from edgeattr.video.tracker import TrackedBox

_BOX = (100.0, 20.0, 180.0, 212.0)
_PERSON = TrackedBox(1, _BOX, 0.9)


def _frame(seed: int = 0) -> Image:
    """Rectangles of many sizes, as clothes and walls have edges: few, and sharp."""
    rng = np.random.default_rng(seed)
    image = np.full((240, 320, 3), 128, np.uint8)
    for _ in range(150):
        x, y = int(rng.integers(-20, 320)), int(rng.integers(-20, 240))
        width, height = (int(side) for side in rng.integers(6, 50, 2))
        colour = [int(value) for value in rng.integers(0, 256, 3)]
        cv2.rectangle(image, (x, y), (x + width, y + height), colour, -1)
    return image


def _boxed(*box: float) -> TrackedBox:
    return TrackedBox(1, (box[0], box[1], box[2], box[3]), 0.9)


def _falls(values: list[float]) -> bool:
    return all(a > b for a, b in itertools.pairwise(values))


def test_a_large_sharp_whole_person_is_trusted() -> None:
    found = assess_crop(_frame(), _PERSON, [_PERSON])
    parts = (found.quality, found.size, found.sharpness, found.whole, found.free)
    assert parts == pytest.approx((1,) * 5, abs=1e-6)


def test_quality_is_the_product_of_its_parts_and_at_most_needs_no_pixels() -> None:
    found = assess_crop(cv2.GaussianBlur(_frame(), (0, 0), 3), _boxed(0, 150, 40, 240), [])
    assert found.at_most == pytest.approx(found.size * found.whole * found.free)
    assert found.quality == pytest.approx(found.sharpness * found.at_most)
    assert found.quality < found.at_most


def test_blur_of_motion_counts_though_edges_across_it_stay_sharp() -> None:
    moved = cv2.blur(_frame(), (25, 1))
    assert assess_crop(moved, _PERSON, []).quality < 0.6


def test_a_flat_picture_is_not_sharp() -> None:
    flat = np.full((240, 320, 3), 128, np.uint8)
    noisy = flat + np.random.default_rng(0).integers(0, 2, flat.shape, dtype=np.uint8)
    assert assess_crop(flat, _PERSON, []).sharpness < 0.3
    assert assess_crop(noisy, _PERSON, []).sharpness < 0.6


def _blurred(sigma: float) -> float:
    return assess_crop(cv2.GaussianBlur(_frame(), (0, 0), sigma), _PERSON, []).quality


def _sized(height: float) -> float:
    return assess_crop(_frame(), _boxed(100, 20, 100 + height * 0.4, 20 + height), []).quality


def _cut(side: str, share: float) -> float:
    """Of one who stands upright; of whom the border cuts off a share."""
    kept = 1 - share
    box = {
        "below": (100, 240 - 192 * kept, 180, 240), "above": (100, 0, 180, 192 * kept),
        "left": (0, 24, 80 * kept, 216), "right": (320 - 80 * kept, 24, 320, 216),
    }[side]  # fmt: skip
    return assess_crop(_frame(), _boxed(*box), []).at_most


@pytest.mark.parametrize(
    ("quality", "steps", "first", "last"),
    [
        (_blurred, (1.5, 2.5, 4.0), 1, 1),
        (_sized, (120, 60, 40, 25, 12), 1, 0.1),
        *(
            (functools.partial(_cut, side), (0.0, 0.2, 0.4, 0.6), 0.951, 1)  # touches, is whole
            for side in ("below", "above", "left", "right")
        ),
    ],
)
def test_quality_falls(
    quality: Callable[[float], float], steps: tuple[float, ...], first: float, last: float
) -> None:
    found = list(map(quality, steps))
    assert _falls(found)
    assert found[0] < first
    assert found[-1] < last


def test_quality_falls_with_those_who_stand_in_front_and_not_behind() -> None:
    def beside(offset: float, feet: float, track: int = 2) -> TrackedBox:
        return TrackedBox(track, (100 + offset, feet - 192, 180 + offset, feet), 0.9)

    free = [
        assess_crop(_frame(), _PERSON, [_PERSON, beside(offset, 214)]).free
        for offset in (80, 60, 40, 10)
    ]
    assert free[0] == 1.0
    assert _falls(free)
    assert assess_crop(_frame(), _PERSON, [beside(10, 190)]).free == 1.0
    one, other = beside(40, 214), beside(-40, 214, track=3)
    both = assess_crop(_frame(), _PERSON, [one, other]).free
    assert both < assess_crop(_frame(), _PERSON, [one]).free


def test_a_view_changes_with_pose_and_not_with_light_or_scale() -> None:
    frame = _frame()
    view = assess_crop(frame, _PERSON, []).view
    assert view.shape == (128,)
    assert np.linalg.norm(view) == pytest.approx(1, abs=1e-3)
    darker = assess_crop((frame * 0.6).astype(np.uint8), _PERSON, []).view
    larger = cv2.resize(frame, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_LINEAR)
    scaled = assess_crop(larger.astype(np.uint8), _boxed(*(1.5 * side for side in _BOX)), []).view
    mirrored = assess_crop(np.ascontiguousarray(frame[:, ::-1]), _boxed(140, 20, 220, 212), []).view
    assert 1 - view @ darker < 0.01
    assert 1 - view @ scaled < 0.05
    assert 1 - view @ mirrored > 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (90, 1), (2, 2), (700, 300)])
def test_crops_of_any_size(shape: tuple[int, int]) -> None:
    assessment = assess_whole_crop(np.full((*shape, 3), 90, np.uint8))
    assert 0 <= assessment.quality <= 1
    assert np.isfinite(assessment.view).all()


def test_crop_has_a_margin_and_stays_inside() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    assert crop_of(image, (100, 50, 150, 150)).shape == (108, 54, 3)
    assert crop_of(image, (-20, -20, 400, 300)).shape == (200, 300, 3)
    assert crop_of(image, (299.9, 199.9, 300, 200)).size > 0
    assert crop_of(image, (400, 300, 500, 400)).size > 0
