"""The page's search in the store, over HTTP."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from edgeattr.search.store import PeopleStore
from edgeattr.web import RecentPeople, WebServer

from .people import record


def _get(server: WebServer, path: str, **query: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", f"{path}?{urlencode(query)}")
    with connection.getresponse() as answer:
        content = answer.read()
    kind = answer.headers["Content-Type"]
    return answer.status, json.loads(content) if "json" in kind else content


def test_people_of_the_store_by_query_and_by_id(tmp_path: Path) -> None:
    path = tmp_path / "people.sqlite"
    with PeopleStore(path) as store:
        people = [record(number, "door", "yes", crop=str(path)) for number in range(3)]
        store.add_many(person.to_json() for person in [*people, record(7, "yard", "no")])
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / f"{record(1).id}.jpg").write_bytes(b"\xff\xd8 a picture")
    with WebServer(RecentPeople(), lambda: [], port=0, crops=crops, store=path) as server:
        code, found = _get(server, "/api/search", query="hat", limit=2)
        assert (code, found["matching"]) == (200, 3)
        assert [person["track"] for person in found["people"]] == [2, 1]
        assert found["people"][1]["picture"] == f"crops/{record(1).id}.jpg"
        assert str(tmp_path) not in json.dumps(found)
        assert _get(server, "/api/search", query=" ")[1]["matching"] == 4, "everybody"
        code, wrong = _get(server, "/api/search", query="hat and hut")
        assert (code, wrong["span"]) == (400, [8, 11])
        assert wrong["error"] == "no attribute `hut` in this store; did you mean `hat`?"
        assert _get(server, "/api/search", query="hat", limit="x")[0] == 400
        assert _get(server, "/api/names")[1]["streams"] == ["door", "yard"]
        assert _get(server, f"/api/people/{record(7).id}")[1]["stream"] == "yard"
        assert _get(server, f"/crops/{record(1).id}.jpg") == (200, b"\xff\xd8 a picture")
        assert _get(server, f"/crops/{record(2).id}.jpg")[0] == 404
        path.unlink()
        code, missing = _get(server, "/api/search", query="hat")
        assert code == 503
        assert missing["error"] == "the store cannot be read now; the log says why"
    with WebServer(RecentPeople(), lambda: [], port=0) as server:
        for route in ("/api/search", "/api/names"):
            assert _get(server, route)[0] == 404
