"""The page's search in the store, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

from edgeattr.search.store import PeopleStore
from edgeattr.web import StoreSearch

from .people import get, open_page, record


def test_people_of_the_store_by_query_and_by_id(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    with PeopleStore(path) as store:
        people = [record(number, "door", "yes", crop=str(path)) for number in range(3)]
        store.add_many(person.to_json() for person in [*people, record(7, "yard", "no")])
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / f"{record(1).id}.jpg").write_bytes(b"\xff\xd8 a picture")
    with open_page(crops=crops, store=StoreSearch(path)) as server:
        code, found = get(server.address, "/api/search", query="hat", limit=2)
        assert (code, found["matching"]) == (200, 3)
        assert [person["track"] for person in found["people"]] == [2, 1]
        assert found["people"][1]["picture"] == f"crops/{record(1).id}.jpg"
        assert str(tmp_path) not in json.dumps(found)
        assert get(server.address, "/api/search", query=" ")[1]["matching"] == 4, "everybody"
        code, wrong = get(server.address, "/api/search", query="hat and hut")
        assert (code, wrong["span"]) == (400, [8, 11])
        assert wrong["error"] == "no attribute `hut` in this store; did you mean `hat`?"
        assert get(server.address, "/api/search", query="hat", limit="x")[0] == 400
        assert get(server.address, "/api/names")[1]["streams"] == ["door", "yard"]
        assert get(server.address, f"/api/people/{record(7).id}")[1]["stream"] == "yard"
        assert get(server.address, f"/crops/{record(1).id}.jpg") == (200, b"\xff\xd8 a picture")
        assert get(server.address, f"/crops/{record(2).id}.jpg")[0] == 404
        path.unlink()
        code, missing = get(server.address, "/api/search", query="hat")
        assert code == 503
        assert missing["error"] == "the store cannot be read now; the log says why"
    with open_page() as server:
        for route in ("/api/search", "/api/names"):
            assert get(server.address, route)[0] == 404
