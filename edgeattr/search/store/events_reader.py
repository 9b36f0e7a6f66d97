"""Asking events files what a store is asked."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.closing import Closing
from edgeattr.search.query.known_names import KnownNames
from edgeattr.search.store.best import Best
from edgeattr.search.store.blocks import Block
from edgeattr.search.store.event_blocks import EventNames, block_from_rows, checked_row
from edgeattr.search.store.event_lines import event_lines
from edgeattr.search.store.question import Found, Question
from edgeattr.search.store.records import PersonRow

__all__ = ["EventsReader"]

_TOGETHER = 2000  # records looked at at once
_Entry = tuple[dict[str, Any], PersonRow]


class EventsReader(Closing):
    """Reads events as `edgeattr run --events` writes them, from the first line to the last.

    Lines that are no events are counted and passed over, summaries and updates passed over.

    Args:
        paths: the files; ``NAME.1`` and so on, which rotation leaves, are read with ``NAME``.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def close(self) -> None:
        """Nothing stays open between two questions. May be called twice."""

    def crop(self, person: str) -> bytes | None:
        """None: events hold no pictures, at most where one is."""
        return None

    def search(self, question: Question) -> Found:
        """Answer a question.

        Raises:
            QueryError: the query cannot be read, or names what no record has.
            InputError: a file cannot be read.
        """
        tree = question.tree()
        names, kept, lines = EventNames(), _Kept(question.limit), _Lines(self._paths)
        first = timeless = 0
        for entries in lines.batches():
            timed = [event.get("time") is not None for event, _ in entries]
            block = block_from_rows([row for _, row in entries], timed, names, first)
            plan = question.plan(tree, names.known(question.text), complete=False)
            timeless += timed.count(False) if plan.needs_times else 0
            meant = np.flatnonzero(plan.among(block))
            some = block.at(meant)
            keys = plan.scores(some) if question.order == "p" else some.times
            kept.add(some, keys, [entries[place][0] for place in meant.tolist()])
            first += len(entries)
        question.plan(tree, names.known(question.text))  # every name must have come
        return Found(
            records=kept.records(),
            total=kept.best.total,
            damaged=lines.damaged,
            timeless=timeless,
        )

    def known_names(self) -> KnownNames:
        """The attributes and streams that the records have; raises InputError as :meth:`search`."""
        names = EventNames()
        for entries in _Lines(self._paths).batches():
            for _, row in entries:
                names.stream(row.stream)
                for name, _, _ in row.answers:
                    names.attribute(name)
        return names.known(None)


class _Kept:
    """The best records until now."""

    def __init__(self, limit: int | None) -> None:
        self.best = Best(limit)
        self._limit = limit
        self._events: dict[int, dict[str, Any]] = {}  # by number

    def add(self, block: Block, keys: npt.NDArray[Any], events: list[dict[str, Any]]) -> None:
        if self._limit == 0:
            self.best.total += len(events)
            return
        self.best.add(keys, block.times, block.persons)
        self._events.update(zip(block.persons.tolist(), events, strict=True))
        if self._limit is not None and len(self._events) > 2 * self._limit + _TOGETHER:
            self._events = {person: self._events[person] for person in self.best.persons()}

    def records(self) -> list[dict[str, Any]]:
        return [self._events[person] for person in self.best.persons()]


class _Lines:
    """People's records from lines, and how many lines are damaged."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.damaged = 0
        self._paths = paths

    def batches(self) -> Iterator[list[_Entry]]:
        entries = self._entries()
        while batch := list(itertools.islice(entries, _TOGETHER)):
            yield batch

    def _entries(self) -> Iterator[_Entry]:
        for line in event_lines(self._paths):
            if line is not None and not line.strip():
                continue
            event = _event(line)
            if event is None:
                self.damaged += 1
            elif event.get("type") == "person":
                row = checked_row(event)
                if row is None:
                    self.damaged += 1
                else:
                    yield event, row


def _event(line: bytes | None) -> dict[str, Any] | None:
    """A line's event, or None."""
    try:
        event = json.loads(line) if line is not None else None
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None
