"""Whether crops show one person, by made vectors."""

import numpy as np
import pytest

from edgeattr.video.appearance import EMBEDDING, LOG_ODDS, Appearance, AppearanceLimits, Vector


def _vector(degrees: float) -> Vector:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0], np.float32)


def _seen(*degrees: float, limits: AppearanceLimits = EMBEDDING) -> Appearance:
    appearance = Appearance(limits)
    for angle in degrees:
        assert appearance.add(_vector(angle))
    return appearance


def test_the_cosine_of_two_means() -> None:
    assert _seen(0, 20).cosine(_seen(70)) == pytest.approx(0.5)


@pytest.mark.parametrize("limits", [EMBEDDING, LOG_ODDS])
def test_crops_that_jump_are_somebody_else(limits: AppearanceLimits) -> None:
    appearance = _seen(0, 5, -5, limits=limits)
    for angle in (90, 95):
        assert not appearance.add(_vector(angle))
        assert appearance.somebody_else() is None
    assert not appearance.add(_vector(85))
    other = appearance.somebody_else()
    assert other is not None
    assert other.cosine(_seen(90)) == pytest.approx(1)
    assert appearance.cosine(_seen(0)) == pytest.approx(1)  # they are not averaged
    assert appearance.somebody_else() is None  # told once


def test_a_moment_behind_others_is_nobody_else() -> None:
    appearance = _seen(0, 5, -5)
    for angle in (90, 95, 5, 85, 90, -5):
        appearance.add(_vector(angle))
        assert appearance.somebody_else() is None


def test_unlike_crops_that_are_unlike_each_other_are_nobody_else() -> None:
    appearance = _seen(0, 5, -5)
    for angle in (90, 180, 270, 90, 180):
        assert not appearance.add(_vector(angle))
        assert appearance.somebody_else() is None


def test_a_doubtful_join_is_refuted_sooner() -> None:
    appearance = _seen(0, 5, -5)
    appearance.expect_doubt()
    assert not appearance.add(_vector(90))
    assert appearance.somebody_else() is None
    assert not appearance.add(_vector(95))
    assert appearance.somebody_else() is not None
    assert not appearance.add(_vector(90))  # a crop that was on its way
    assert appearance.cosine(_seen(0)) == pytest.approx(1, abs=0.01)
