"""The query language of `edgeattr find`: text in, conditions on a person's record out."""

from edgeattr.search.query.conditions import (
    And,
    Answered,
    Crossed,
    Duration,
    Dwell,
    Has,
    InStream,
    InZone,
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
from edgeattr.search.query.parse import parse_duration, parse_query, parse_rule, parse_time
from edgeattr.search.query.wall_clock import WallClock

__all__ = [
    "And",
    "Answered",
    "Crossed",
    "Duration",
    "Dwell",
    "Has",
    "InStream",
    "InZone",
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
    "parse_duration",
    "parse_query",
    "parse_rule",
    "parse_time",
]
