"""Colours over a crop: one scale for all masks, that tells an even mask from a sharp one."""

from __future__ import annotations

import numpy as np

from edgeattr.explain import TICKS, colour_bar, overlay

_CROP = np.full((288, 160, 3), (200, 60, 120), np.uint8)


def test_more_attention_is_brighter_and_an_even_mask_is_flat() -> None:
    even = overlay(_CROP, np.full((288, 160), 1 / (288 * 160), np.float32))
    assert np.ptp(even.reshape(-1, 3), axis=0).max() == 0
    ramp = np.tile(np.linspace(0, 1, 288, dtype=np.float32)[:, None], (1, 160))
    picture = overlay(np.zeros_like(_CROP), ramp / ramp.sum())
    light = picture.astype(float).mean((1, 2))
    assert (np.diff(light) >= -1).all()
    assert light[-1] > light[0] + 20


def test_the_place_with_the_most_is_the_brightest_whatever_is_below() -> None:
    mask = np.zeros((288, 160), np.float32)
    mask[100:120, 40:60] = 1.0
    picture = overlay(_CROP, mask / mask.sum()).astype(int)
    assert picture[110, 50, 2] > 200  # yellow
    assert np.abs(picture[10, 10] - picture[10, 10].mean()).max() < 3  # grey


def test_the_bar_has_the_same_colours_as_pictures() -> None:
    bar, places = colour_bar(10, 300)
    assert bar.shape == (10, 300, 3)
    assert places == sorted(places)
    assert (places[0], round(places[-1])) == (0.0, 299)
    assert len(places) == len(TICKS)
