"""What the page asks of the store: people by query, one by id, and the names that queries have."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from edgeattr.search.store import PeopleReader, SearchRequest

__all__ = ["StoreSearch"]


class StoreSearch:
    """Answers the page's questions, one at a time, whichever thread asks.

    Args:
        path: of the store; opened for each question, so that it may be moved or made meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # a slow query shall not keep every thread busy

    def find(self, query: str | None, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """How many people match, and the latest of them.

        Raises:
            QueryError: the query cannot be read, or names what the store does not know.
            InputError: the store cannot be read.
        """
        with self._lock, PeopleReader(self._path) as reader:
            found = reader.search(SearchRequest(query=query, limit=limit))
        return found.total, found.records

    def person(self, name: str) -> dict[str, Any] | None:
        """The record with that id, or None.

        Raises:
            InputError: the store cannot be read.
        """
        with self._lock, PeopleReader(self._path) as reader:
            return reader.get(name)

    def names(self) -> dict[str, list[str]]:
        """``{"attributes", "streams"}`` that queries can have.

        Raises:
            InputError: the store cannot be read.
        """
        with self._lock, PeopleReader(self._path) as reader:
            known = reader.known_names()
        return {"attributes": sorted(known.attributes), "streams": sorted(known.streams)}
