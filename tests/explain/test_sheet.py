"""Sheets: every tile that is asked for, readable, whatever the crop and the words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

import edgeattr
from edgeattr.core.prediction import AttributeAnswer
from edgeattr.explain import draw_explanation
from edgeattr.explain.attention_maps import Explanation


@pytest.fixture(scope="module")
def explanation() -> Iterator[Explanation]:
    from edgeattr_train.golden import golden_crops

    with edgeattr.load() as model:
        yield model.explain([golden_crops(96, 40, seed=3)[0]])[0]


def _answers(explanation: Explanation, yes: int) -> dict[str, AttributeAnswer]:
    return {
        name: AttributeAnswer(0.9 - 0.01 * place, "yes" if place < yes else "unknown")
        for place, name in enumerate(explanation.masks)
    }


def test_a_tile_for_each_yes_three_in_a_row(explanation: Explanation) -> None:
    heights = [
        draw_explanation(explanation, "x", answers=_answers(explanation, yes)).shape[0]
        for yes in (1, 3, 4, 6, 7)
    ]
    assert heights[0] == heights[1] < heights[2] == heights[3] < heights[4]
    every = draw_explanation(explanation, "x", answers=_answers(explanation, 1), every=True)
    assert every.shape[0] > 9 * (heights[1] - 300)  # 30 tiles are ten rows
    assert {
        draw_explanation(explanation, "x", answers=_answers(explanation, yes)).shape[1]
        for yes in (1, 2, 3, 9)
    } == {every.shape[1]}


def test_nobody_has_anything(explanation: Explanation) -> None:
    sheet = draw_explanation(explanation, "x", answers=_answers(explanation, 0))
    assert sheet.dtype == np.uint8
    assert (sheet[-40:] < 200).any()  # it says so


@pytest.mark.parametrize("title", ["", "ä\udce9\n\0%s" * 40, "x" * 10_000])
def test_any_words(explanation: Explanation, title: str) -> None:
    sheet = draw_explanation(explanation, title, [title, "word " * 300])
    plain = draw_explanation(explanation, "x")
    assert sheet.shape[1] == plain.shape[1]
    assert sheet.shape[0] >= plain.shape[0]


def test_the_crop_is_shown_as_it_is(explanation: Explanation) -> None:
    sheet: npt.NDArray[np.uint8] = draw_explanation(explanation, "x")
    shown = sheet[20 : 20 + 224, 20 : 20 + 124]
    assert abs(float(shown.mean()) - float(explanation.crop.mean())) < 2
