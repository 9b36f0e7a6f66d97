"""Boxes and labels on frames: where labels lie, what they say, which heads are blurred."""

import itertools

import cv2
import numpy as np
import pytest

from edgeattr.video.draw import PersonDrawing
from edgeattr.video.label_space import LabelSpace, TextStyle
from edgeattr.video.tracker import TrackedBox
from edgeattr.video.zone_monitor import ZoneMonitor
from edgeattr.video.zones import Zone

_LABELS = ("hat", "bag", "long hair", "jeans", "trousers", "skirt")


def _noise(height: int = 200, width: int = 300) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _person(track: int, *box: float) -> TrackedBox:
    return TrackedBox(track, box, 0.9)


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return (
        min(one[2], other[2]) > max(one[0], other[0])
        and min(one[3], other[3]) > max(one[1], other[1])
    )  # fmt: skip


def _placed(
    people: list[TrackedBox], height: int, width: int, drawing: PersonDrawing | None = None
) -> list:
    image = np.zeros((height, width, 3), np.uint8)
    space = LabelSpace(image, [person.box for person in people])
    known = [(person, _LABELS) for person in people]
    return (drawing or PersonDrawing()).place_labels(known, {}, TextStyle.of(image), space)


def test_the_frame_itself_stays_as_it_is() -> None:
    image = _noise()
    before = image.copy()
    drawing = PersonDrawing()
    drawn = drawing.draw(image, [(_person(1, 50, 40, 100, 180), _LABELS)])
    assert np.array_equal(image, before)
    assert (drawn != image).any()
    assert np.array_equal(drawing.draw(image, []), image)


def test_a_label_goes_to_the_side_where_there_is_room() -> None:
    frame = np.full((480, 640, 3), 200, np.uint8)
    person = _person(3, 560.0, 30.0, 638.0, 220.0)
    changed = cv2.absdiff(PersonDrawing().draw(frame, [(person, _LABELS)]), frame).max(2)
    assert changed[:, :550].any(), "no room on the right: the label goes to the left"
    assert not changed[:, :300].any()


@pytest.mark.parametrize(("height", "width"), [(480, 640), (720, 1280), (1280, 720), (2160, 3840)])
def test_no_label_covers_another_person_or_label_in_a_crowd(height: int, width: int) -> None:
    draw = np.random.default_rng(height)
    people = []
    for track in range(20):
        tall = min(height, width) * draw.uniform(0.1, 0.35)
        left, top = draw.uniform(0, width - tall / 2), draw.uniform(0, height - tall)
        people.append(_person(track, left, top, left + tall / 2, top + tall))
    placed = _placed(people, height, width)
    assert len(placed) >= 15, "most people have at least their number"
    for one, other in itertools.combinations(placed, 2):
        assert not _overlap(one.box, other.box)
    for label, person in itertools.product(placed, people):
        assert label.track == person.track or not _overlap(label.box, person.box)
    for label in placed:
        left, top, right, bottom = label.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_labels_shrink_where_people_stand_close() -> None:
    alone = _placed([_person(1, 400, 100, 480, 300)], 480, 1280)
    assert len(alone[0].lines) == 5, "a number and four attributes"
    grid = [
        _person(8 * row + column, 160 * column, 120 * row, 160 * column + 150, 120 * row + 116)
        for row, column in itertools.product(range(4), range(8))
    ]
    close = _placed(grid, 480, 1280)
    assert len(close) == 32
    assert all(len(label.lines) == 1 for label in close)


def _border(image: np.ndarray, person: TrackedBox) -> list[int]:
    """Colour in the middle of a box's left side."""
    left, top, _, bottom = map(round, person.box)
    return image[(top + bottom) // 2, left].tolist()


def test_who_raised_an_alert_stands_out_by_colour_width_and_words() -> None:
    frame = np.full((480, 640, 3), 200, np.uint8)
    people = [_person(track, 100 * track, 100, 100 * track + 60, 300) for track in (1, 3, 5)]
    known, drawing = [(person, ()) for person in people], PersonDrawing()
    calm = drawing.draw(frame, known)
    drawn = drawing.draw(frame, known, alerts={3: ["loading"]})
    red = _border(drawn, people[1])
    assert red[2] > 150 > 60 > max(red[:2])
    assert [_border(drawn, people[at]) for at in (0, 2)] == [
        _border(calm, people[at]) for at in (0, 2)
    ]
    red_pixels = (drawn == red).all(2)
    assert (
        red_pixels[110:290, 280:320].any(0).sum()
        > (calm == _border(calm, people[1])).all(2)[110:290, 280:320].any(0).sum()
    ), "the border is wider"
    label = drawing.place_labels(
        known, {3: ["loading"]}, TextStyle.of(frame), LabelSpace(frame, [])
    )[0]
    assert label.lines == ("3 loading!",)
    left, top, right, bottom = label.box
    assert red_pixels[top:bottom, left:right].mean() > 0.5, "the label's ground"


def test_boxes_by_zone_have_the_colour_of_their_zone_and_by_alert_none() -> None:
    half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    other = tuple((x + 0.5, y) for x, y in half)
    monitor = ZoneMonitor([Zone(name="hall", points=half), Zone(name="door", points=other)])
    frame = np.full((480, 640, 3), 200, np.uint8)
    one, two, three = (
        _person(track, 100 * track, 100, 100 * track + 60, 300) for track in (1, 2, 5)
    )
    for second in (0.0, 1.0, 2.0):
        monitor.update(second, [one, two, three], (640, 480))
    known = [(person, ()) for person in (one, two, three)]
    drawn = PersonDrawing(monitor, colour_by="zone").draw(frame, known)
    hall, door = _border(drawn, one), _border(drawn, three)
    assert hall == _border(drawn, two)
    assert hall != door
    assert drawn[400, 1].tolist() == hall, "the zone's own outline"
    drawn = PersonDrawing(monitor, colour_by="alert").draw(frame, known, alerts={2: ["loading"]})
    plain = _border(drawn, one)
    assert len(set(plain)) == 1, "grey"
    assert _border(drawn, three) == plain != _border(drawn, two)


def test_the_count_of_a_zone_is_written_where_nobody_stands() -> None:
    square = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.9), (0.2, 0.9))
    drawing = PersonDrawing(ZoneMonitor([Zone(name="hall", points=square)]))
    frame = np.full((480, 640, 3), 200, np.uint8)
    free = drawing.draw(frame, [])
    assert free[100:115, 135:220].mean() < 100, "in the first corner"
    person = _person(1, 100, 60, 240, 300)
    drawn = drawing.draw(frame, [(person, ())])
    assert (drawn[102:290, 132:230] == 200).all(), "nobody is covered"
    assert drawn[100:115, 520:635].mean() < 120, "in the next corner"


def test_a_label_stays_on_its_side_while_it_is_free() -> None:
    drawing = PersonDrawing()
    for left in (550, 300):  # at the right edge there is no room on the right
        person = _person(1, left, 100, left + 80, 300)
        (label,) = _placed([person], 480, 640, drawing)
        assert label.box[2] <= left
    (label,) = _placed([person], 480, 640)
    assert label.box[0] >= left + 80, "where nothing came before"


@pytest.mark.parametrize(("height", "text"), [(480, 13), (2160, 51)])
def test_text_is_legible_at_any_size(height: int, text: int) -> None:
    style = TextStyle.of(np.zeros((height, height * 16 // 9, 3), np.uint8))
    (_, tall), _ = cv2.getTextSize("Xg", cv2.FONT_HERSHEY_SIMPLEX, style.scale, style.stroke)
    assert tall == pytest.approx(text * 0.72, rel=0.3)


def test_heads_are_averaged_away_and_the_rest_stays() -> None:
    image = _noise()
    person = _person(1, 50, 40, 100, 180)
    plain = PersonDrawing().draw(image, [(person, ())])
    blurred = PersonDrawing().draw(image, [(person, ())], blurred=[person.box])
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
    drawn = PersonDrawing().draw(image, [(_person(3, *box), _LABELS)], blurred=[box])
    assert drawn.shape == image.shape
