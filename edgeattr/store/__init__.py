"""People on disk: a SQLite file that keeps every record it acknowledged, and answers questions."""

from edgeattr.store.people import PeopleStore
from edgeattr.store.reading import PeopleReader
from edgeattr.store.wanted import Wanted

__all__ = ["PeopleReader", "PeopleStore", "Wanted"]
