"""A track that goes on with somebody else: one record for each of them, evidence apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeattr.core.crops import Image
from edgeattr.core.decision import Decision
from edgeattr.core.prediction import TrackRecord
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr.video.likeness import Embedding
from edgeattr.video.schedule import Schedule, assess_crop, crop_of
from edgeattr.video.sources import Frame
from edgeattr.video.track_manager import CropReading, CropRequest, TrackManager
from edgeattr.video.tracker import TrackedBox

_SCHEMA = AttributeSchema(attributes=(Attribute(name="hat", group="accessory"),))
_DECISION = Decision(schema=_SCHEMA, thresholds=(0.5,), scale=(1.0,), offset=(0.0,))
_ANNA, _BEN, _CARL = np.eye(3, dtype=np.float32)
_HATS = {0: 4.0, 1: -4.0, 2: 4.0}  # logits: Anna and Carl wear one
_EVERY = 0.5  # seconds between frames


class _Street:
    """People in boxes that a tracker has numbered; numbers that it was told to change."""

    def __init__(self) -> None:
        self.renumbered: list[tuple[int, int | None]] = []
        self.people = TrackManager(
            "street",
            _DECISION,
            fusion=None,
            schedule=Schedule(),
            keep_best=True,
            renumber=self._renumber,
        )
        self._numbers: dict[int, int] = {}  # by the box
        self._seconds, self._count = 0.0, 90

    def _renumber(self, person: int, to: int | None) -> int:
        self.renumbered.append((person, to))
        self._count += to is None
        number = self._count if to is None else to
        self._numbers = {
            box: number if now == person else now for box, now in self._numbers.items()
        }
        return number

    def see(self, *shown: Embedding | None, score: float = 0.9) -> None:
        """One frame: whom the crop of each box shows; None: there is no box."""
        image = _noise()
        tracked = [
            TrackedBox(
                self._numbers.setdefault(box, box + 1),
                (20.0 + 150 * box, 20.0, 100.0 + 150 * box, 220.0),
                score,
            )
            for box, embedding in enumerate(shown)
            if embedding is not None
        ]
        self.people.update(Frame(image, 0, self._seconds), tracked)
        requests = [_request(image, seen, self._seconds) for seen in tracked]
        self.people.add_readings(requests, [_reading(request, shown) for request in requests])
        self._seconds += _EVERY

    def records(self) -> dict[int, TrackRecord]:
        return {record.track: record for record, _ in self.people.pop_ended(None)}


def _noise() -> Image:
    return np.random.default_rng(0).integers(0, 256, (240, 640, 3), dtype=np.uint8)


def _request(image: Image, seen: TrackedBox, seconds: float) -> CropRequest:
    return CropRequest(seen, crop_of(image, seen.box), assess_crop(image, seen, ()), seconds, 1.0)


def _reading(request: CropRequest, shown: Sequence[Embedding | None]) -> CropReading:
    embedding = shown[int(request.seen.box[0] // 150)]
    assert embedding is not None
    return _read(embedding)


def _read(embedding: Embedding) -> CropReading:
    return CropReading(np.array([_HATS[int(embedding.argmax())]], np.float32), embedding)


def _hats(records: dict[int, TrackRecord]) -> dict[int, str]:
    return {number: record.attributes["hat"].answer for number, record in records.items()}


def test_a_track_that_goes_on_with_somebody_else_becomes_two_records() -> None:
    street = _Street()
    for shown in [_ANNA] * 4 + [_BEN] * 4:
        street.see(shown)
    assert street.renumbered == [(1, None)]
    records = street.records()
    assert _hats(records) == {1: "yes", 91: "no"}
    anna, ben = records[1], records[91]
    assert (anna.first_s, anna.last_s, ben.first_s, ben.last_s) == (0.0, 2.0, 2.0, 3.5)
    assert anna.frames + ben.frames == 8
    assert anna.crops_classified == ben.crops_classified == 4


def test_who_was_seen_before_gets_their_number_back() -> None:
    street = _Street()
    for shown in [(_ANNA, _BEN)] * 4 + [(_BEN, None)] * 4:
        street.see(*shown)
    assert street.renumbered == [(1, 2)]
    records = street.records()
    assert _hats(records) == {1: "yes", 2: "no"}
    assert records[2].last_s == 3.5


def test_one_crop_of_somebody_else_is_left_out() -> None:
    street = _Street()
    for shown in [_ANNA] * 3 + [_BEN] + [_ANNA] * 3 + [_CARL] + [_ANNA]:
        street.see(shown)
    assert street.renumbered == []
    records = street.records()
    assert _hats(records) == {1: "yes"}
    assert records[1].crops_classified == 7


def test_a_first_crop_that_shows_who_was_in_front_is_forgotten() -> None:
    street = _Street()
    for shown in [_BEN] + [_ANNA] * 4:
        street.see(shown)
    assert street.renumbered == []
    assert _hats(street.records()) == {1: "yes"}


def test_a_second_box_of_somebody_in_view_is_nobody_new() -> None:
    street = _Street()
    for shown in [(_ANNA, _BEN)] * 4 + [(_BEN, _BEN)] * 4:
        street.see(*shown)
    assert street.renumbered == []
    assert _hats(street.records()) == {1: "yes", 2: "no"}


def test_a_few_crops_of_somebody_known_are_no_record_of_their_own() -> None:
    street = _Street()
    for shown in (
        [(_ANNA, None, _CARL)] * 3 + [(_ANNA, _ANNA, None)] * 2 + [(_ANNA, _BEN, None)] * 4
    ):
        street.see(*shown)
    assert street.renumbered == [(2, None)]
    assert _hats(street.records()) == {1: "yes", 3: "yes", 91: "no"}


def test_what_the_detector_is_unsure_of_is_no_person() -> None:
    street = _Street()
    for _ in range(4):
        street.see(_ANNA)
    for _ in range(4):
        street.see(_BEN, score=0.5)
    assert street.renumbered == []
    records = street.records()
    assert _hats(records) == {1: "yes"}
    assert records[1].crops_classified == 4


def test_answers_under_way_go_to_whom_they_show() -> None:
    street = _Street()
    for shown in [_ANNA] * 4 + [_BEN] * 2:
        street.see(shown)
    image, seen = _noise(), TrackedBox(1, (20.0, 20.0, 100.0, 220.0), 0.9)
    late = [_request(image, seen, seconds) for seconds in (1.2, 2.3)]
    street.people.add_readings(late, [_read(_ANNA), _read(_BEN)])
    records = street.records()
    assert {number: record.crops_classified for number, record in records.items()} == {1: 5, 91: 3}
