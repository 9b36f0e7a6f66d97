"""What is asked of a store or of events, before it is known what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from edgeattr.core.errors import UsageError
from edgeattr.search.query import (
    And,
    InStream,
    Or,
    Period,
    Query,
    WallClock,
    parse_query,
    parse_time,
)
from edgeattr.search.store.match_reasons import MatchReason

Order = Literal["newest", "p"]


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """A query, what limits it, and how many are wanted in which order."""

    query: str | Query | None = None  # None finds everybody
    since: str | datetime | None = None  # last seen then or later; text as in a query
    until: str | datetime | None = None  # last seen before that; of a day, before its end
    streams: Sequence[str] = ()  # in one of these; none are all
    min_p: float = 0.0  # answers without a bound of their own count from there on, 0..1
    limit: int | None = 100  # at most so many records; None for all
    order: Order = "newest"  # or the most probable first
    reasons: bool = False  # say of each record which conditions hold for it
    clock: WallClock = field(default_factory=WallClock)  # what times go by
    written: str | None = None  # the text that conditions were read from, for messages

    def __post_init__(self) -> None:
        if self.query is not None and not isinstance(self.query, str | Query):
            raise UsageError(f"query = {self.query!r}; expected a text or conditions")
        if isinstance(self.streams, str):
            raise UsageError(f"streams = {self.streams!r}; expected a list of names")
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"min_p = {self.min_p} is not a probability; expected 0..1")
        if self.limit is not None and self.limit < 0:
            raise UsageError(f"limit = {self.limit}; expected 0 or more, or None for all")
        if self.order not in ("newest", "p"):
            raise UsageError(f"order = {self.order!r}; expected 'newest' or 'p'")

    @property
    def text(self) -> str | None:
        """The query as it was written, if it was."""
        return self.query if isinstance(self.query, str) else self.written

    def tree(self) -> Query | None:
        """All of it as one query; None for everybody.

        Raises:
            QueryError: a text cannot be read.
        """
        parts: list[Query] = []
        if isinstance(self.query, str):
            parts.append(parse_query(self.query, self.clock))
        elif self.query is not None:
            parts.append(self.query)
        since, until = self._moment(self.since), self._moment(self.until, end=True)
        if since is not None or until is not None:
            parts.append(Period(since, until))
        streams = tuple(InStream(name) for name in self.streams)
        if streams:
            parts.append(Or(streams) if len(streams) > 1 else streams[0])
        return And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None

    def _moment(self, moment: str | datetime | None, *, end: bool = False) -> int | None:
        if isinstance(moment, str):
            return parse_time(moment, self.clock, end=end)
        if moment is None:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.clock.zone)  # None is this machine's
        try:
            return round(moment.timestamp() * 1000)
        except (ValueError, OverflowError) as error:  # at the ends of the calendar
            raise UsageError(f"{moment}: no time that can be told in UTC ({error})") from error


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What was found."""

    records: list[dict[str, Any]]  # in the order that was asked for, as many as were wanted
    total: int  # how many there are
    damaged: int = 0  # lines of events that are no events
    reasons: Sequence[Sequence[MatchReason]] = ()  # of each record, if that was asked for
    timeless: int = 0  # records without a time, which conditions on time leave out
