"""Lines of events files, also of those that were renamed when they had grown."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from edgeattr.core.errors import InputError

__all__ = ["STANDARD_INPUT", "event_lines"]

STANDARD_INPUT = Path("-")
_SQLITE = b"SQLite format 3\0"  # how a store begins
_LONGEST = 1 << 20  # bytes of a line; a record has about two thousand


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
