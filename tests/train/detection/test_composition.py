"""Pictures of training: who has a box, and what has none."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from edgeattr_train.detection.composition import Composer
from edgeattr_train.detection.distractors import distractor

from .conftest import WriteScenes


@pytest.fixture
def composer(write_scenes: WriteScenes) -> Composer:
    """Of grey scenes without anybody, and of people who are all red."""
    person = np.zeros((100, 40, 4), np.uint8)
    person[..., 2:] = 255
    return Composer(write_scenes(lambda: np.full((120, 160, 3), 128, np.uint8), lambda: person))


def test_every_person_has_a_box_and_things_have_none(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "edgeattr_train.detection.composition"
    monkeypatch.setattr(f"{where}.degraded", lambda rng, picture: picture)  # red stays red
    monkeypatch.setattr(f"{where}.distractor", lambda rng, scene, person: _green())
    rng = np.random.default_rng(0)
    people = things = within = without = 0
    for _ in range(60):
        picture, boxes, ignore = composer(rng, 128, 192)
        assert picture.shape == (128, 192, 3)
        red, green = (_only(picture, channel) for channel in (2, 1))
        for found in (boxes, ignore):
            assert (found >= 0).all()
            assert (found <= [192, 128, 192, 128]).all()
            assert (found[:, :2] < found[:, 2:]).all()
            for left, top, right, bottom in found.astype(int):
                within += red[top : bottom + 1, left : right + 1].sum()
                red[top : bottom + 1, left : right + 1] = False
        for left, top, right, bottom in boxes.astype(int):
            part = picture[top:bottom, left:right]
            assert _only(part, 2).mean() > 0.1, "a box without a person"
        without += red.sum()
        people += len(boxes)
        things += green.any()
    assert without < 0.05 * within, "people without a box"  # grounds may be red as well
    assert people > 40
    assert things > 10


def _green() -> np.ndarray:
    return np.dstack([np.full((160, 60), value, np.uint8) for value in (0, 255, 0, 255)])


def _only(picture: np.ndarray, channel: int) -> np.ndarray:
    """Where a channel is far above the two others."""
    rest = np.delete(picture, channel, 2).max(2).astype(int)
    return picture[..., channel] > rest + 60


def test_distractors_are_things_with_an_outline() -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (100, 150, 3), np.uint8)
    person = np.full((200, 80, 4), 255, np.uint8)
    shapes = set()
    for _ in range(50):
        thing = distractor(rng, scene, person)
        assert thing.shape[0] == 160
        assert thing.shape[2] == 4
        assert thing.dtype == np.uint8
        assert thing[..., 3].max() > 128
        shapes.add(thing.shape)
    assert len(shapes) > 20
