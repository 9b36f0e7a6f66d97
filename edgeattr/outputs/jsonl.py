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
from typing import Any

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.core.files import open_exclusive, size_of

_CLOSE_S = 1.0  # that closing waits for a write under way, which may hang in a pipe
_TAIL = 1 << 16  # bytes looked at together while searching for the last line's beginning


class EventsFile:
    """One JSON object a line, each handed over whole before the next begins.

    A new file is readable by its owner alone; one that is there keeps its mode.

    Args:
        path: the file, or None for standard output.
        append: keep what is there. A last line that a kill has torn is completed or cut off.
        max_bytes: before the file grows beyond that, it is renamed to ``NAME.1``, and what had
            that name to ``NAME.2``, and so on.
        keep: how many renamed files are kept.
        shared: several processes may append to the file, line by line; otherwise one at a time.

    Raises:
        UsageError: a size without a file, or not positive.
        OutputError: the file cannot be written, or another process writes to it.
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
        shared: bool = False,
    ) -> None:
        if max_bytes is not None and (path is None or max_bytes < 1 or keep < 1):
            raise UsageError("rotation needs a file, a size above 0 and at least one file to keep")
        self.path = path
        self.name = f"events {path or 'on standard output'}"
        self._max_bytes, self._keep, self._shared = max_bytes, keep, shared
        self._lock = threading.Lock()
        if path is None:
            if sys.stdout is None:
                raise OutputError("standard output is closed; name a file with --events")
            return
        try:
            self._file = open_exclusive(path, shared=shared)
            if size_of(self._file) is not None:
                _mend(path) if append else self._file.truncate(0)
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
        if self.path is not None and self._lock.acquire(timeout=_CLOSE_S):
            with contextlib.suppress(OSError):  # each line was handed over before
                self._file.close()
            self._lock.release()

    def _append(self, line: bytes) -> None:
        size = size_of(self._file)
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
        renamed = not self.path.exists()  # before, and a new file could not be opened
        for older, newer in () if renamed else zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                os.replace(newer, older)
        old = self._file
        mode = stat.S_IMODE(os.fstat(old.fileno()).st_mode)
        self._file = open_exclusive(self.path, mode=mode, shared=self._shared)
        old.close()


def encode_event(event: Mapping[str, Any]) -> bytes:
    """An event as JSON in UTF-8, on one line.

    Raises:
        OutputError: it holds what JSON has no word for.
    """
    try:
        try:
            return json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError:  # a path's bytes that are no text here: escaped, it reads back
            return json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise OutputError(f"an event cannot be written as JSON: {error}") from error


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _mend(path: Path) -> None:
    """Make the last line whole: end it if it lacks nothing but its end, or else cut it off."""
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
