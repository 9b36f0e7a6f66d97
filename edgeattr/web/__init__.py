"""The live page: who is seen, how the cameras do, over HTTP; `edgeattr run --web PORT`."""

from edgeattr.web.recent_people import RecentPeople
from edgeattr.web.server import WebServer

__all__ = ["RecentPeople", "WebServer"]
