"""The query language of `edgeattr find`: text in, conditions on a person's record out."""

from edgeattr.query.conditions import (
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
from edgeattr.query.parse import parse_query, parse_time
from edgeattr.query.wall_clock import WallClock

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
