"""Plain SQL of a store that real code wrote."""

from __future__ import annotations

import uuid
from pathlib import Path

from edgeattr.search.store import PeopleStore

from ..search.store.person_events import person
from .conftest import Run


def test_the_answers_are_those_of_the_records(run_example: Run, tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    with PeopleStore(path) as store:
        store.add(person(1, zones={"hall": 3.0}, lines={"gate": {"in": 1, "out": 0}}))
        store.add(person(2, zones={"hall": 6.0}, lines={"gate": {"in": 1, "out": 2}}))
        store.add_alert({
            "type": "alert", "id": str(uuid.uuid4()), "time": "2026-05-01T12:30:10.000Z",
            "stream": "door", "alert": "loading", "track": 1, "at_s": 7.5,
        })  # fmt: skip
    told = run_example("zones_in_sql.py", path).stdout
    for line in (
        "door hall 2 4.5", "2026-05-01 12:00 gate 2 2", "door hall 2 6.0",
        "loading 1 2026-05-01 12:30:10",
    ):  # fmt: skip
        assert f"   {line}\n" in told
