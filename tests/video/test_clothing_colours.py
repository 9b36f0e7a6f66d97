"""Colours tell people apart by both halves, at any size."""

from __future__ import annotations

import numpy as np

from edgeattr.core.crops import Image
from edgeattr.video.clothing_colours import clothing_colours

_RED, _BLUE = (40, 40, 200), (200, 60, 40)


def _frame() -> Image:
    """Red over blue, the same at twice the size, and blue over red."""
    rng = np.random.default_rng(0)
    frame = np.full((300, 400, 3), 128, np.uint8)
    for left, width, tall, upper, lower in (
        (10, 40, 100, _RED, _BLUE), (100, 80, 200, _RED, _BLUE), (250, 40, 100, _BLUE, _RED),
    ):  # fmt: skip
        frame[50 : 50 + tall // 2, left : left + width] = upper
        frame[50 + tall // 2 : 50 + tall, left : left + width] = lower
    return frame + rng.integers(0, 8, frame.shape, dtype=np.uint8)


def test_the_same_clothes_are_alike_at_any_size_and_swapped_ones_are_not() -> None:
    boxes = np.array([[10, 50, 50, 150], [100, 50, 180, 250], [250, 50, 290, 150]], np.float32)
    alike = (found := clothing_colours(_frame(), boxes)) @ found.T
    np.testing.assert_allclose(np.diag(alike), 1, rtol=1e-5)
    assert alike[0, 1] > 0.9
    assert alike[0, 2] < 0.1


def test_boxes_beyond_the_edge_and_no_boxes() -> None:
    beyond = np.array([[-30, -20, 30, 120], [380, 250, 460, 420], [500, 500, 600, 600]], np.float32)
    assert np.isfinite(clothing_colours(_frame(), beyond)).all()
    assert clothing_colours(_frame(), np.empty((0, 4), np.float32)).shape[0] == 0
