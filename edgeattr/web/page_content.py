"""What the live page shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeattr.video.output import OutputStatus
from edgeattr.video.status import StreamStatus
from edgeattr.web.live_pictures import LivePictures
from edgeattr.web.recent_people import RecentPeople
from edgeattr.web.store_search import StoreSearch


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """What the page is made of. Functions are called by the server's threads, once a second."""

    people: RecentPeople  # who was seen lately
    status: Callable[[], Sequence[StreamStatus]]  # how each stream is doing
    outputs: Callable[[], Sequence[OutputStatus]] = list  # how each output is doing
    unopened: Callable[[], Mapping[str, str]] = dict  # streams that could not be opened, and why
    happenings: Callable[[], Mapping[str, Any]] = dict  # alerts, and counts of zones and lines
    crops: Path | None = None  # the folder of people's pictures, where they are kept
    evidence: Path | None = None  # the folder of sheets that explain answers, likewise
    live: LivePictures | None = None  # pictures of cameras, where they may be seen
    store: StoreSearch | None = None  # of people, where one is kept
