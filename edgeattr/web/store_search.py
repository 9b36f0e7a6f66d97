"""What the page asks of the store: people by query, one by id, and the names that queries have."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeattr.core.errors import InputError
from edgeattr.search.store import PeopleReader, SearchRequest

_WAITING = 30  # questions; the server has 40 threads, and must answer others meanwhile


class StoreSearch:
    """Answers the page's questions, one at a time, whichever thread asks.

    All methods raise InputError where the store cannot be read, or too many ask at once.

    Args:
        path: of the store; opened for each question, so that it may be made meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_WAITING)

    def find(self, query: str | None, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """How many people match, and the latest of them.

        Raises:
            QueryError: the query cannot be read, or names what the store does not know.
        """
        with self._reader() as reader:
            found = reader.search(SearchRequest(query=query, limit=limit))
        return found.total, found.records

    def person(self, name: str) -> dict[str, Any] | None:
        """The record with that id, or None."""
        with self._reader() as reader:
            return reader.get(name)

    def names(self) -> dict[str, list[str]]:
        """``{"attributes", "streams", "zones", "lines"}`` that queries can have."""
        with self._reader() as reader:
            known = reader.known_names()
        places = {kind: sorted(getattr(known, kind)) for kind in ("streams", "zones", "lines")}
        return {"attributes": known.written, **places}

    @contextlib.contextmanager
    def _reader(self) -> Iterator[PeopleReader]:
        if not self._places.acquire(blocking=False):
            raise InputError("too many ask the store at once")
        try:
            with self._lock, PeopleReader(self._path) as reader:
                yield reader
        finally:
            self._places.release()
