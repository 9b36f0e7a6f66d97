"""Events as JSON Lines, in a file or on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.outputs.sink import encode_event

__all__ = ["EventsFile"]

_TAIL = 1 << 16  # bytes looked at together while searching for the last line's beginning


class EventsFile:
    """One JSON object a line, each handed over whole before the next begins.

    Args:
        path: the file, or None for standard output.
        append: keep what is there. A last line that a kill has torn is completed or cut off.
        max_bytes: before the file grows beyond that, it is renamed to ``NAME.1``, and what had
            that name to ``NAME.2``, and so on.
        keep: how many renamed files are kept.

    Raises:
        UsageError: a size without a file, or not positive.
        OutputError: the file cannot be written.
    """

    promise = (
        "an event is a whole line in the file once write returns, and outlives a kill of the "
        "process, though not a power cut"
    )

    def __init__(
        self,
        path: Path | None,
        *,
        append: bool = False,
        max_bytes: int | None = None,
        keep: int = 5,
    ) -> None:
        if max_bytes is not None and (path is None or max_bytes < 1 or keep < 1):
            raise UsageError("rotation needs a file, a size above 0 and at least one file to keep")
        self.path = path
        self.name = f"events {path or 'on standard output'}"
        self._max_bytes, self._keep = max_bytes, keep
        self._lock = threading.Lock()
        if path is None:
            if sys.stdout is None:
                raise OutputError("standard output is closed; name a file with --events")
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if append:
                _mend(path)
            self._file = _open(path, append)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    def write(self, event: Mapping[str, Any]) -> None:
        """Append one event and hand it to the operating system.

        Raises:
            OutputError: the disk is full, or the reader of the pipe went away.
        """
        line = encode_event(event) + b"\n"
        with self._lock:
            try:
                if self.path is None:
                    sys.stdout.write(line.decode())
                    sys.stdout.flush()
                else:
                    self._append(line)
            except (OSError, ValueError) as error:  # ValueError: closed
                said = getattr(error, "strerror", None) or error
                raise OutputError(f"{self.path or 'standard output'}: {said}") from error

    def close(self) -> None:
        """Close the file; standard output stays open. May be called twice."""
        if self.path is not None:
            with self._lock, contextlib.suppress(OSError):  # each line was handed over before
                self._file.close()

    def _append(self, line: bytes) -> None:
        size = _size(self._file)
        if self._max_bytes is not None and size and size + len(line) > self._max_bytes:
            self._rotate()
            size = 0
        done = 0
        try:
            while done < len(line):
                done += self._file.write(line[done:])
        except OSError:
            if done and size is not None:
                self._file.truncate(size)  # no half line stays
            raise

    def _rotate(self) -> None:
        assert self.path is not None
        names = [self.path, *(_numbered(self.path, n) for n in range(1, self._keep + 1))]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                os.replace(newer, older)
        old, self._file = self._file, _open(self.path, append=True)
        old.close()


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _open(path: Path, append: bool) -> BinaryIO:
    """Unbuffered, and each write goes to the end, whoever else writes."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if append else os.O_TRUNC)
    return os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0)


def _size(file: BinaryIO) -> int | None:
    """In bytes; None of a pipe or a device."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _mend(path: Path) -> None:
    """Make the last line whole: end it if it lacks nothing but its end, or else cut it off."""
    if not path.is_file():
        return
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        start = end
        tail = b""
        while start and b"\n" not in tail:
            start = max(0, start - _TAIL)
            file.seek(start)
            tail = file.read(end - start)
        torn = tail[tail.rfind(b"\n") + 1 :]
        if not torn:
            return
        try:
            complete = isinstance(json.loads(torn), dict)
        except ValueError:
            complete = False
        if complete:
            file.seek(end)
            file.write(b"\n")
        else:
            file.truncate(end - len(torn))
