"""The query language of `edgeattr find`: text in, conditions on a person's record out."""

from edgeattr.search.query.conditions import (
    And,
    Answered,
    Chance,
    Daily,
    Duration,
    Has,
    InStream,
    Not,
    Or,
    Period,
    Query,
    Span,
    StreamLike,
    leaves,
)
from edgeattr.search.query.parse import parse_query, parse_time
from edgeattr.search.query.wall_clock import WallClock

__all__ = [
    "And",
    "Answered",
    "Chance",
    "Daily",
    "Duration",
    "Has",
    "InStream",
    "Not",
    "Or",
    "Period",
    "Query",
    "Span",
    "StreamLike",
    "WallClock",
    "leaves",
    "parse_query",
    "parse_time",
]
