"""Queries made by chance."""

from __future__ import annotations

import random
from collections.abc import Sequence

from edgeattr.search.query import (
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
    StreamLike,
    TimeOfDay,
)

_COMPARE = (">", ">=", "<", "<=")
_START = 1_774_738_800_000  # 2026-03-29 at 0:00 in Berlin, where the clock jumps at 2:00


def random_query(
    chance: random.Random,
    names: Sequence[str],
    streams: Sequence[str],
    depth: int = 4,
    places: tuple[str, str] | None = None,
) -> Query:
    """Any kind of condition, inside each other up to ``depth``; of a zone and a line where told."""
    if depth > 1 and chance.random() < 0.65:
        kind = chance.randrange(5)
        if kind == 0:
            return Not(random_query(chance, names, streams, depth - 1, places))
        parts = [
            random_query(chance, names, streams, depth - 1, places)
            for _ in range(chance.randint(2, 4))
        ]
        return And(tuple(parts)) if kind < 3 else Or(tuple(parts))
    if places and chance.random() < 0.3:
        zone, line = places
        return chance.choice([
            InZone(zone), Crossed(line), Crossed(line, "in"), Dwell(zone, ">", 5000),
            Dwell(zone, chance.choice(_COMPARE), chance.choice((1000, 8000))),
        ])  # fmt: skip
    name = chance.choice(names)
    moment = _START + chance.randrange(3 * 86_400_000)
    return chance.choice([
        lambda: Has(name), lambda: Has(name),
        lambda: Answered(name, chance.choice(("yes", "no", "unknown"))),
        lambda: Probability(name, chance.choice(_COMPARE), round(chance.random(), 1)),
        lambda: Probability(name, chance.choice(_COMPARE), round(chance.random(), 4)),
        lambda: Probability(name, chance.choice(_COMPARE), chance.choice((0.0, 1.0, 0.5))),
        lambda: InStream(chance.choice(streams)),
        lambda: StreamLike(chance.choice(("*", "?oor", "D*", "[!d]*", "nothing"))),
        lambda: Period(moment, None), lambda: Period(None, moment),
        lambda: Period(moment, moment + chance.randrange(1, 86_400_000)),
        lambda: TimeOfDay(chance.randrange(43_200), chance.randrange(43_200, 86_401)),
        lambda: TimeOfDay(chance.randrange(43_201, 86_400), chance.randrange(1, 43_200)),
        lambda: Duration(chance.choice(_COMPARE), chance.choice((0, 1500, 8000, 30_000, 2**40))),
    ])()  # fmt: skip
