"""The query language of `edgeattr find`: text in, conditions on a person's record out."""

from edgeattr.search.query.conditions import (
    And,
    Answered,
    Duration,
    Has,
    InStream,
    Not,
    Or,
    Period,
    Probability,
    Query,
    Span,
    StreamLike,
    TimeOfDay,
    leaves,
)
from edgeattr.search.query.parse import parse_query, parse_time
from edgeattr.search.query.wall_clock import WallClock

__all__ = [
    "And",
    "Answered",
    "Duration",
    "Has",
    "InStream",
    "Not",
    "Or",
    "Period",
    "Probability",
    "Query",
    "Span",
    "StreamLike",
    "TimeOfDay",
    "WallClock",
    "leaves",
    "parse_query",
    "parse_time",
]
