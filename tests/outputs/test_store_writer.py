import json
from pathlib import Path

from edgeattr.outputs import EventsFile, Guarded, StoreSink
from edgeattr.search.store import PeopleReader

from ..search.store.people import person


def test_people_are_kept_and_crops_only_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    for keep, number in ((False, 1), (True, 2)):
        sink = Guarded(StoreSink(path, retention_days=36500, keep_crops=keep))
        assert sink.takes_crops == keep
        sink.write(person(number), crop=b"jpeg")
        sink.write({"type": "summary", "stream": "door", "people": 1})
        sink.close()
        sink.close()
        assert (sink.written, sink.failures) == (2, 0)
    plain = Guarded(EventsFile(tmp_path / "events.jsonl"))
    plain.write(person(3), crop=b"jpeg")
    plain.close()
    assert (plain.written, plain.takes_crops) == (1, False)
    with PeopleReader(path) as reader:
        assert reader.count() == 2
        assert reader.crop(person(1)["id"]) is None
        assert reader.crop(person(2)["id"]) == b"jpeg"
        (entry,) = reader.audit()
        assert entry["act"] == "crops stored"
        assert json.loads(entry["detail"]) == {"retention_days": 36500}
    assert str(path) in sink.name
