"""People's pictures out of their folders, by the ids of their records and nothing else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

__all__ = ["read_picture"]

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LARGEST = 8 << 20  # bytes
_STARTS = {"jpg": b"\xff\xd8", "explain.html": b"<!DOCTYPE html>"}  # by the end of the name


def read_picture(folder: Path, name: str, ending: str = "jpg") -> bytes | None:
    """A JPEG, or a page; None where the name is no id, or it was never kept or is deleted.

    Args:
        folder: of crops, or of sheets that explain answers.
        name: id of a record.
        ending: of the file's name: ``jpg`` or ``explain.html``.
    """
    if not _ID.fullmatch(name):
        return None
    try:
        number = os.open(folder / f"{name}.{ending}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return None
        with os.fdopen(number, "rb", closefd=False) as file:
            content = file.read(_LARGEST + 1)
    except OSError:  # of a disk
        return None
    finally:
        os.close(number)
    return content if content.startswith(_STARTS[ending]) and len(content) <= _LARGEST else None
