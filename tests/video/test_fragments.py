"""Which fragments are one person."""

import numpy as np
import pytest

from edgeattr.video.appearance import EMBEDDING, Vector
from edgeattr.video.fragments import FragmentJoiner

_Box = tuple[float, float, float, float]


def _box(x: float, bottom: float = 300.0, tall: float = 200.0) -> _Box:
    return x - tall / 5, bottom - tall, x + tall / 5, bottom


def _walks(_: int) -> tuple[float, float]:
    return 100.0, 0.0  # pixels a second to the right


def _stands(_: int) -> tuple[float, float]:
    return 0.0, 0.0


@pytest.mark.parametrize(
    ("gap", "x", "tall", "same"),
    [
        (0.5, 150, 200, True),  # where they are expected
        (0.5, 250, 200, False),  # half a body's height away
        (2.0, 210, 200, True),  # slowed down behind a pole
        (3.9, 200, 200, True),
        (4.1, 200, 200, False),  # too long
        (0.5, 150, 120, False),  # another size
    ],
)
def test_a_person_who_was_hidden(gap: float, x: float, tall: float, same: bool) -> None:
    joiner = FragmentJoiner()
    assert joiner.join({7: _box(100)}, 1.0, _walks) == {7: 1}
    again = joiner.join({9: _box(x, tall=tall)}, 1.0 + gap, _walks)
    assert again == {9: 1 if same else 2}


def test_who_is_in_sight_is_nobody_else() -> None:
    joiner = FragmentJoiner()
    joiner.join({1: _box(100)}, 0.0, _stands)
    assert joiner.join({1: _box(100), 2: _box(110)}, 0.1, _stands) == {1: 1, 2: 2}


def test_the_nearest_takes_the_number() -> None:
    joiner = FragmentJoiner()
    joiner.join({1: _box(100), 2: _box(160)}, 0.0, _stands)
    assert joiner.join({3: _box(150), 4: _box(112)}, 0.5, _stands) == {3: 2, 4: 1}


def test_after_forgetting_numbers_go_on() -> None:
    joiner = FragmentJoiner()
    joiner.join({1: _box(100)}, 0.0, _stands)
    joiner.forget()
    assert joiner.join({1: _box(100)}, 0.1, _stands) == {1: 2}


def _vector(degrees: float) -> Vector:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def _hidden_after_three_crops(appearance: bool = True) -> FragmentJoiner:
    """Somebody at x = 100 until second 1, who looks like 0 degrees."""
    joiner = FragmentJoiner(appearance)
    for seconds in (0.0, 0.5, 1.0):
        joiner.join({7: _box(100)}, seconds, _stands)
        joiner.see(1, _vector(0), EMBEDDING)
    return joiner


def test_who_looks_the_same_may_be_further_off() -> None:
    joiner = _hidden_after_three_crops()
    assert joiner.join({9: _box(250)}, 1.5, _stands) == {9: -2}  # not decided
    joiner.see(-2, _vector(20), EMBEDDING)
    assert joiner.join({9: _box(250)}, 1.6, _stands) == {9: 1}
    assert joiner.renamed == {-2: 1}


def test_who_looks_only_somewhat_alike_may_not() -> None:
    joiner = _hidden_after_three_crops()
    joiner.join({9: _box(250)}, 1.5, _stands)
    joiner.see(-2, _vector(60), EMBEDDING)
    assert joiner.join({9: _box(250)}, 1.6, _stands) == {9: 2}


def test_a_fragment_without_a_crop_is_somebody_new_soon() -> None:
    joiner = _hidden_after_three_crops()
    assert joiner.join({9: _box(250)}, 1.5, _stands) == {9: -2}
    assert joiner.join({9: _box(250)}, 1.9, _stands) == {9: 2}


def test_nobody_waits_who_is_too_far_from_all() -> None:
    joiner = _hidden_after_three_crops()
    assert joiner.join({9: _box(900)}, 1.5, _stands) == {9: 2}


def test_who_looks_different_is_somebody_else_where_movement_fits() -> None:
    joiner = _hidden_after_three_crops()
    assert joiner.join({9: _box(110)}, 1.5, _stands) == {9: 1}
    for degrees in (90, 95):
        assert not joiner.see(1, _vector(degrees), EMBEDDING)
    assert joiner.join({9: _box(110)}, 1.6, _stands) == {9: 2}
    assert joiner.join({9: _box(110), 11: _box(100)}, 1.8, _stands) == {9: 2, 11: 1}


@pytest.mark.parametrize("shown", [90, 0])
def test_without_appearance_movement_alone_decides(shown: float) -> None:
    joiner = _hidden_after_three_crops(appearance=False)
    assert joiner.join({9: _box(110)}, 1.5, _stands) == {9: 1}
    for _ in range(3):
        assert joiner.see(1, _vector(shown), EMBEDDING)
    assert joiner.join({9: _box(110)}, 1.6, _stands) == {9: 1}
    assert joiner.join({12: _box(260)}, 2.1, _stands) == {12: 2}


def test_crossing_people_who_swap_tracks_get_their_numbers_back() -> None:
    joiner = FragmentJoiner(appearance=True)
    tracks = {1: _box(100), 2: _box(200)}
    for step in range(4):
        joiner.join(tracks, step / 5, _stands)
        joiner.see(1, _vector(0), EMBEDDING)
        joiner.see(2, _vector(90), EMBEDDING)
    for step in range(4, 7):
        joiner.join(tracks, step / 5, _stands)
        joiner.see(1, _vector(90), EMBEDDING)
        joiner.see(2, _vector(0), EMBEDDING)
    numbers = joiner.join(tracks, 1.4, _stands)
    assert numbers == {1: 2, 2: 1}


def test_a_track_that_went_on_elsewhere_is_doubted_too() -> None:
    joiner = _hidden_after_three_crops()
    assert joiner.join({7: _box(110)}, 2.5, _stands) == {7: 1}
    assert joiner.renamed == {1: 1}  # looked at anew
    for degrees in (90, 95):
        joiner.see(1, _vector(degrees), EMBEDDING)
    assert joiner.join({7: _box(110)}, 2.6, _stands) == {7: 2}
