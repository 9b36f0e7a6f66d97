"""Which fragments are one person."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edgeattr.video.clothing_colours import Colours
from edgeattr.video.fragments import Fragment, FragmentJoiner

_Box = tuple[float, float, float, float]


def _box(x: float, bottom: float = 300.0, tall: float = 200.0) -> _Box:
    return x - tall / 5, bottom - tall, x + tall / 5, bottom


def _at(x: float, tall: float = 200.0) -> Fragment:
    return Fragment(_box(x, tall=tall), None, math.inf)


def _walks(_: int) -> tuple[float, float]:
    return 100.0, 0.0  # pixels a second to the right


def _stands(_: int) -> tuple[float, float]:
    return 0.0, 0.0


@pytest.mark.parametrize(
    ("gap", "x", "tall", "same"),
    [
        (0.5, 150, 200, True),  # where they are expected
        (0.5, 290, 200, False),  # seven tenths of a body's height away
        (2.0, 210, 200, True),  # slowed down behind a pole
        (3.9, 200, 200, True),
        (4.1, 200, 200, False),  # too long
        (0.5, 150, 120, False),  # another size
    ],
)
def test_a_person_who_was_hidden(gap: float, x: float, tall: float, same: bool) -> None:
    joiner = FragmentJoiner()
    assert joiner.join({7: _at(100)}, 1.0, _walks) == {7: 1}
    again = joiner.join({9: _at(x, tall=tall)}, 1.0 + gap, _walks)
    assert again == {9: 1 if same else 2}


def test_a_track_begins_where_it_was_first_seen() -> None:
    """Who walks on while it is not sure that somebody is there may be far away by then."""
    before = [(1.5, _box(150)), (2.0, _box(330))]
    for fragment, same in ((_at(500), False), (replace(_at(500), before=before), True)):
        joiner = FragmentJoiner()
        joiner.join({7: _at(100)}, 1.0, _walks)
        assert joiner.join({9: fragment}, 2.5, _walks) == {9: 1 if same else 2}


def test_who_is_in_sight_is_nobody_else() -> None:
    joiner = FragmentJoiner()
    joiner.join({1: _at(100)}, 0.0, _stands)
    assert joiner.join({1: _at(100), 2: _at(110)}, 0.1, _stands) == {1: 1, 2: 2}


def test_who_was_joined_to_somebody_who_comes_back_is_soon_somebody_else() -> None:
    joiner = FragmentJoiner()
    joiner.join({1: _at(100)}, 0.0, _stands)
    assert joiner.join({2: _at(110)}, 0.5, _stands) == {2: 1}
    for seconds in (0.6, 0.9):  # for a moment it may be one person twice
        assert joiner.join({1: _at(100), 2: _at(160)}, seconds, _stands) == {1: 1, 2: 1}
    for seconds in (1.0, 1.1):
        assert joiner.join({1: _at(100), 2: _at(170)}, seconds, _stands) == {1: 1, 2: 2}


def test_the_nearest_takes_the_number() -> None:
    joiner = FragmentJoiner()
    joiner.join({1: _at(100), 2: _at(160)}, 0.0, _stands)
    assert joiner.join({3: _at(150), 4: _at(112)}, 0.5, _stands) == {3: 2, 4: 1}


def test_after_forgetting_numbers_go_on() -> None:
    joiner = FragmentJoiner()
    joiner.join({1: _at(100)}, 0.0, _stands)
    joiner.forget()
    assert joiner.join({1: _at(100)}, 0.1, _stands) == {1: 2}


@pytest.mark.parametrize(("share", "same"), [(0.9, True), (0.3, False)])
def test_who_wears_other_colours_is_somebody_else(share: float, same: bool) -> None:
    joiner = FragmentJoiner()
    joiner.join({1: Fragment(_box(100), _colours(1.0), 0.0)}, 0.0, _stands)
    again = joiner.join({2: Fragment(_box(110), _colours(share), 0.3)}, 0.5, _stands)
    assert again == {2: 1 if same else 2}


def _colours(share: float) -> Colours:
    """As unlike as that to a share of 1."""
    return np.array([share, np.sqrt(1 - share**2)], np.float32)


_RED, _BLACK, _GREY = np.eye(3, dtype=np.float32)


def _wears(upper: Colours, lower: Colours) -> Colours:
    return np.concatenate((upper, lower)) / np.sqrt(2)


@pytest.mark.parametrize(
    ("colours", "began", "bottom", "same"),
    [
        (_wears(_RED, _RED), 0.3, 195.0, True),  # a box that ends at the hips
        (_wears(_GREY, _GREY), 0.3, 195.0, False),  # with something else on
        (_wears(_RED, _RED), -0.1, 195.0, False),  # who was there beside them
        (_wears(_RED, _BLACK), 0.3, 330.0, False),  # a head at another height
    ],
)
def test_a_box_may_end_at_the_hips(
    colours: Colours, began: float, bottom: float, same: bool
) -> None:
    whole = Fragment(_box(100), _wears(_RED, _BLACK), 0.0)
    cut = Fragment((65, bottom - 100, 135, bottom), colours, began)
    joiner = FragmentJoiner()
    joiner.join({1: whole}, 0.0, _stands)
    assert joiner.join({2: cut}, 0.5, _stands) == {2: 1 if same else 2}
    back = FragmentJoiner()
    back.join({1: cut}, 0.0, _stands)
    assert back.join({2: Fragment(whole.box, whole.colours, began)}, 0.5, _stands) == {
        2: 1 if same else 2
    }
