"""Files of results: private, and written by one run at a time."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import BinaryIO

from edgeattr.core.errors import OutputError

__all__ = ["open_exclusive", "size_of"]

_PRIVATE = 0o600  # mode of a new file: results are personal data
_TAKEN = "another run writes to it; give this one a file of its own"


def open_exclusive(
    path: Path, *, mode: int = _PRIVATE, shared: bool = False, taken: str = _TAKEN
) -> BinaryIO:
    """Open a file for appending, unbuffered and locked; what is in it stays.

    Args:
        path: of the file, which is made, with its folder, if it does not exist.
        mode: of a new file; one that is there keeps its own.
        shared: not locked: several processes may append to it.
        taken: what to say if another process has it.

    Raises:
        OutputError: it cannot be written, or another run writes to it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, flags, mode), "wb", buffering=0)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    if shared or size_of(file) is None:
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OutputError(f"{path}: {taken}") from error
    return file


def size_of(file: BinaryIO) -> int | None:
    """In bytes; None of a pipe or a device."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None
