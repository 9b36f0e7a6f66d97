from pathlib import Path

from edgeattr.outputs import StoreWriter
from edgeattr.search.store import PeopleReader

from ..search.store.person_events import person


def test_people_are_kept_and_other_events_pass(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    with StoreWriter(path, retention_days=36500) as sink:
        sink.write(person(1))
        sink.write({"type": "summary", "stream": "door", "people": 1})
    sink.close()
    with PeopleReader(path) as reader:
        assert reader.find() == [person(1)]
    assert str(path) in sink.name
