"""Explanation pages: every tile that is asked for, harmless text, images that can be decoded."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np
import pytest

from edgeattr.core.prediction import AttributeAnswer
from edgeattr.explain import explanation_page
from edgeattr.explain.attention_maps import Explanation


def _answers(explanation: Explanation, yes: int) -> dict[str, AttributeAnswer]:
    return {
        name: AttributeAnswer(0.9 - 0.01 * place, "yes" if place < yes else "unknown")
        for place, name in enumerate(explanation.masks)
    }


def _tiles(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_a_tile_for_each_yes(explanation: Explanation) -> None:
    names = list(map(explanation.ranking.words, explanation.masks))
    for yes in (1, 4):
        page = explanation_page(explanation, "x", answers=_answers(explanation, yes))
        assert sorted(_tiles(page)) == sorted(names[:yes])
    assert "yes, p 0.900 (this crop 0." in page
    page = explanation_page(explanation, "x", answers=_answers(explanation, 1), all_attributes=True)
    assert sorted(_tiles(page)) == sorted(names)
    assert "no attribute is answered yes" in explanation_page(
        explanation, "x", answers=_answers(explanation, 0)
    )


def test_what_tells_people_apart_comes_first(explanation: Explanation) -> None:
    answers = dict.fromkeys(explanation.masks, AttributeAnswer(0.1, "no")) | {
        "no_accessory": AttributeAnswer(0.99, "yes"),
        "upper_body_black": AttributeAnswer(0.9, "yes"),
        "backpack": AttributeAnswer(0.9, "yes"),
    }
    *first, last = _tiles(explanation_page(explanation, "x", answers=answers))
    assert sorted(first) == ["backpack", "black top"]
    assert last == "no accessory"


def test_images_are_the_crop_the_scale_and_every_mask(explanation: Explanation) -> None:
    page = explanation_page(explanation, "x", answers=_answers(explanation, 1))
    images = [
        cv2.imdecode(np.frombuffer(base64.b64decode(found), np.uint8), cv2.IMREAD_COLOR)
        for found in re.findall(r'src="data:image/jpeg;base64,(.*?)"', page)
    ]
    crop, bar, *maps = images
    assert np.abs(crop.astype(int) - explanation.crop.astype(int)).mean() < 5
    assert bar.shape[0] < bar.shape[1]
    assert len(maps) == len(explanation.grids) + 1, "each scale, and their mean"
    assert all(image.shape == explanation.crop.shape for image in maps)


@pytest.mark.parametrize("text", ["", "ä\udce9\n\0%s" * 40, "<script>alert(1)</script>"])
def test_any_words(explanation: Explanation, text: str) -> None:
    page = explanation_page(explanation, text, [text])
    page.encode()
    assert "<script" not in page
