"""Asking events files what a store is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from edgeattr.core.counted import counted
from edgeattr.core.errors import InputError, OutputError
from edgeattr.search.store.people_reader import PeopleReader
from edgeattr.search.store.records import PersonRow, insert_person
from edgeattr.search.store.search_request import SearchRequest, SearchResult
from edgeattr.search.store.table import PEOPLE, Catalog

_CACHE_KIB = 256 << 10  # of people in memory; more go to a temporary file that no one else can open
_SQLITE = b"SQLite format 3\0"  # how a store begins
_LONGEST = 1 << 20  # bytes of a line; a record has about two thousand


class EventsReader(PeopleReader):
    """Reads events as `edgeattr run --events` writes them into a table that is forgotten again.

    Lines that are no events are counted and passed over, summaries and updates passed over.

    Args:
        paths: the files; ``NAME.1`` and so on, which rotation leaves, are read with ``NAME``.

    Raises:
        InputError: a file cannot be read, holds nothing but damaged lines, or too many attributes.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._path = paths[0]
        self._place = "in this file"
        self._damaged = 0
        self._catalog = Catalog()
        with self._input_errors():
            self._connection = self._temporary_table(self._rows(paths))
        if self._damaged:
            damaged = counted(self._damaged, "line is", "lines are")
            self._place = f"in this file, of which {damaged} damaged"
        if self._damaged and not self._connection.execute("SELECT 1 FROM people").fetchone():
            raise InputError(
                f"{self._path}: no line tells of a person, and {damaged} damaged; "
                "expected a file that `edgeattr run --events` wrote"
            )

    def search(self, question: SearchRequest) -> SearchResult:
        """Answer a question; raises as :meth:`find`."""
        return dataclasses.replace(super().search(question), damaged=self._damaged)

    def _temporary_table(self, rows: Iterable[PersonRow]) -> sqlite3.Connection:
        """The tables of a store in memory, with these people."""
        connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("BEGIN")
        for statement in PEOPLE.script.split(";\n"):
            connection.execute(statement)
        for row in rows:
            insert_person(connection, row, self._catalog)
        connection.execute("COMMIT")
        return connection

    def _rows(self, paths: Sequence[Path]) -> Iterator[PersonRow]:
        for line in event_lines(paths):
            if line is not None and not line.strip():
                continue
            event = _event(line)
            if event is not None and event["type"] != "person":
                continue
            try:
                yield PersonRow.from_event(event or {})
            except OutputError:
                self._damaged += 1


def _event(line: bytes | None) -> dict[str, Any] | None:
    """A line's event, or None."""
    try:
        event = json.loads(line) if line is not None else None
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


STANDARD_INPUT = Path("-")


def event_lines(paths: Sequence[Path]) -> Iterator[bytes | None]:
    """The lines of files, the oldest first; None for one that is longer than a megabyte.

    Args:
        paths: files; beside each, ``NAME.1``, ``NAME.2`` and so on are read before it. ``-`` is
            standard input.

    Raises:
        InputError: a file is missing or cannot be read.
    """
    with contextlib.ExitStack() as stack:
        files = [file for path in paths for file in reversed(_opened(path, stack))]
        seen: set[tuple[int, int]] = set()
        for path, file in files:
            found = os.fstat(file.fileno())
            if (found.st_dev, found.st_ino) in seen:  # renamed while they were opened
                continue
            seen.add((found.st_dev, found.st_ino))
            with _input_errors(path):
                yield from _lines(file)


def _opened(path: Path, stack: contextlib.ExitStack) -> list[tuple[Path, BinaryIO]]:
    """The file and those it was before: opened newest first, none is missed while they move."""
    if path == STANDARD_INPUT:
        return [(path, sys.stdin.buffer)]
    files: list[tuple[Path, BinaryIO]] = []
    number, name = 0, path
    while number == 0 or name.is_file():
        with _input_errors(name):
            files.append((name, stack.enter_context(name.open("rb"))))
        number += 1
        name = path.with_name(f"{path.name}.{number}")
    return files


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    if file.seekable() and file.read(len(_SQLITE)) == _SQLITE:
        raise InputError("is a SQLite file and no file of events; name it with --store")
    if file.seekable():
        file.seek(0)
    while line := file.readline(_LONGEST):
        if len(line) < _LONGEST or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_LONGEST)
        yield None


@contextlib.contextmanager
def _input_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
