"""The live page: who is seen, how the cameras do, over HTTP; `edgeattr run --web PORT`."""

from edgeattr.web.live_pictures import LivePictures
from edgeattr.web.page_content import PageContent
from edgeattr.web.recent_people import RecentPeople, SiteEvents
from edgeattr.web.server import WebServer
from edgeattr.web.store_search import StoreSearch

__all__ = ["LivePictures", "PageContent", "RecentPeople", "SiteEvents", "StoreSearch", "WebServer"]
