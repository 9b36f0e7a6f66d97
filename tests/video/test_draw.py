import numpy as np
import pytest

from edgeattr.core.prediction import AttributeAnswer
from edgeattr.video.draw import draw_people
from edgeattr.video.tracker import TrackedBox

_ANSWERS = {"hat": AttributeAnswer(0.9, "yes"), "bag": AttributeAnswer(0.1, "no")}


def _noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)


def test_the_frame_itself_stays_as_it_is() -> None:
    image = _noise()
    before = image.copy()
    drawn = draw_people(image, [(TrackedBox(1, (50, 40, 100, 180), 0.9), _ANSWERS)])
    assert np.array_equal(image, before)
    assert (drawn != image).any()


def test_heads_are_averaged_away_and_the_rest_stays() -> None:
    image = _noise()
    person = TrackedBox(1, (50, 40, 100, 180), 0.9)
    plain = draw_people(image, [(person, {})])
    blurred = draw_people(image, [(person, {})], blurred=[person.box])
    head, body = (slice(44, 70), slice(55, 95)), (slice(85, 175), slice(55, 95))
    assert np.array_equal(plain[body], blurred[body])
    colours = np.unique(blurred[head].reshape(-1, 3), axis=0)
    assert len(colours) <= 25
    assert np.abs(blurred[head].astype(int) - plain[head]).mean() > 30


@pytest.mark.parametrize(
    "box", [(-20, -30, 10, 40), (280, 150, 320, 260), (0, 0, 300, 200), (5, 5, 6, 6)]
)
def test_people_at_the_edge_of_the_picture(box: tuple[float, float, float, float]) -> None:
    image = _noise()
    drawn = draw_people(image, [(TrackedBox(3, box, 0.9), _ANSWERS)], blurred=[box])
    assert drawn.shape == image.shape
