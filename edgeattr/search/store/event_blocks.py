"""Records of events as a block, so that they are asked as a store is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeattr.core.errors import OutputError
from edgeattr.search.query.conditions import EARLIEST, LATEST
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.store.blocks import ABSENT, ANSWER_SHIFT, LONGEST_MS, NO_TIME, Block
from edgeattr.search.store.records import PersonRow

__all__ = ["EventNames", "block_from_rows", "checked_row"]

_DAY = 86_400_000  # milliseconds: what a clock's zone can shift


class EventNames:
    """Numbers of the attributes and streams that came until now."""

    def __init__(self) -> None:
        self._attributes: dict[str, int] = {}
        self._streams: dict[str, int] = {}

    def attribute(self, name: str) -> int:
        """The number of an attribute, which is new if the name is."""
        return self._attributes.setdefault(name, len(self._attributes) + 1)

    def stream(self, name: str) -> int:
        """Likewise of a stream."""
        return self._streams.setdefault(name, len(self._streams) + 1)

    def known(self, text: str | None) -> KnownNames:
        """All of them; ``text`` is a query that messages should point into."""
        return KnownNames(
            attributes=self._attributes, streams=self._streams, place="file", text=text
        )


def checked_row(event: Mapping[str, Any]) -> PersonRow | None:
    """A person's record, checked for all that it is shown with; None where it is damaged."""
    try:
        row = PersonRow.from_event(event)
    except (OutputError, OverflowError):
        return None
    seconds = (event["first_s"], event["last_s"])
    sound = isinstance(event["stream"], str) and all(
        isinstance(moment, int | float) and math.isfinite(moment) for moment in seconds
    )
    return row if sound and EARLIEST + _DAY <= row.time <= LATEST - _DAY else None


def block_from_rows(
    rows: Sequence[PersonRow], timed: Sequence[bool], names: EventNames, first: int
) -> Block:
    """A block of records.

    Args:
        rows: the records.
        timed: of each, whether it has a time.
        names: where names get their numbers.
        first: the number of the first one; the others' follow.
    """
    count = len(rows)
    answers: dict[int, np.ndarray[Any, np.dtype[np.uint16]]] = {}
    for place, row in enumerate(rows):
        for name, p, answer in row.answers:
            number = names.attribute(name)
            if number not in answers:
                answers[number] = np.full(count, ABSENT, np.uint16)
            answers[number][place] = p | answer << ANSWER_SHIFT
    return Block(
        persons=np.arange(first, first + count),
        times=np.array([row.time if so else NO_TIME for row, so in zip(rows, timed, strict=True)],
                       np.int64),
        streams=np.array([names.stream(row.stream) for row in rows], np.uint32),
        answers=answers,
        durations=np.array([_in_view(row) for row in rows], np.uint32),
    )  # fmt: skip


def _in_view(row: PersonRow) -> int:
    """Milliseconds from first to last seen, as a store has them."""
    _, first_s, last_s = row.values[:3]
    seconds = last_s - first_s
    return round(min(max(1000 * seconds, 0), LONGEST_MS)) if seconds == seconds else 0
