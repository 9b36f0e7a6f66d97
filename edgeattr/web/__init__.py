"""The live page: who is seen, how the cameras do, over HTTP; `edgeattr run --web PORT`."""

from edgeattr.web.live_pictures import LivePictures
from edgeattr.web.recent_people import RecentPeople, SiteEvents
from edgeattr.web.server import WebServer

__all__ = ["LivePictures", "RecentPeople", "SiteEvents", "WebServer"]
