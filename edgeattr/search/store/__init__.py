"""People on disk: a SQLite file that keeps every record it acknowledged, and answers questions."""

from edgeattr.search.store.events_reader import EventsReader
from edgeattr.search.store.people_reader import PeopleReader
from edgeattr.search.store.people_store import PeopleStore
from edgeattr.search.store.search_request import SearchRequest, SearchResult

__all__ = ["EventsReader", "PeopleReader", "PeopleStore", "SearchRequest", "SearchResult"]
