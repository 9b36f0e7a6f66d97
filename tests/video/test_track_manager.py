import numpy as np
import pytest

from edgeattr.core.decision import Decision
from edgeattr.core.schema import Attribute, AttributeSchema
from edgeattr.video.schedule import Schedule
from edgeattr.video.sources import Frame
from edgeattr.video.track_manager import CropReading, TrackManager
from edgeattr.video.tracker import TrackedBox

_SCHEMA = AttributeSchema(attributes=(Attribute(name="hat", group="accessory"),))
_DECISION = Decision(schema=_SCHEMA, thresholds=(0.5,), scale=(1.0,), offset=(0.0,))


@pytest.mark.parametrize(
    ("reading", "records"), [(2.0, 1), (np.nan, 0)], ids=["a person", "nobody to be seen"]
)
def test_a_track_whose_crops_show_nobody_is_no_person(reading: float, records: int) -> None:
    people = TrackManager("yard", _DECISION, fusion=None, schedule=Schedule())
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    seen = TrackedBox(1, (100.0, 20.0, 180.0, 220.0), 0.9)
    assert not people.is_false_alarm(1), "until its crops were read"
    for index in range(11):
        requests = people.update(Frame(noise, index, index / 5), [seen])
        people.add_readings(
            requests, [CropReading(np.array([reading], np.float32))] * len(requests)
        )
    assert people.crops_classified > 0
    assert people.is_false_alarm(1) == (not records)
    assert len(people.present()) == len(people.pop_ended(None)) == records
