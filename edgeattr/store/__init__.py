"""People on disk: a SQLite file that keeps every record it acknowledged, and answers questions."""

from edgeattr.store.events_reader import EventsReader
from edgeattr.store.people import PeopleStore
from edgeattr.store.question import Found, Question
from edgeattr.store.reading import PeopleReader

__all__ = ["EventsReader", "Found", "PeopleReader", "PeopleStore", "Question"]
