"""People's pictures out of the folder of crops, by the ids of their records and nothing else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

__all__ = ["read_picture"]

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LARGEST = 8 << 20  # bytes


def read_picture(folder: Path, name: str) -> bytes | None:
    """A JPEG; None where the name is no id, or the picture was never kept or is deleted.

    Args:
        folder: of crops.
        name: id of a record.
    """
    if not _ID.fullmatch(name):
        return None
    try:
        number = os.open(folder / f"{name}.jpg", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
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
    return content if content.startswith(b"\xff\xd8") and len(content) <= _LARGEST else None
