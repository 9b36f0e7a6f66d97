"""People on disk: a SQLite file that keeps every record it acknowledged, and answers questions."""

from edgeattr.search.store.events_reader import EventsReader
from edgeattr.search.store.people import PeopleStore
from edgeattr.search.store.question import Found, Question
from edgeattr.search.store.reading import PeopleReader

__all__ = ["EventsReader", "Found", "PeopleReader", "PeopleStore", "Question"]
