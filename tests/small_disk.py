"""A disk of one MiB that fills up, and on which room can be made again."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

_BYTES = 1 << 20
_Fill = Callable[..., None]


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[_Fill]:
    """Make ``folder`` small, and give what fills it (True), but for so many bytes if a number
    follows, or makes room again (False).

    A real file system of that size where we may mount one, or else a limit on the size of files.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_BYTES}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        with _limited(folder) as fill:
            yield fill
        return
    try:
        yield lambda full, room=0: _ballast(folder / "ballast", full, room)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _ballast(path: Path, full: bool, room: int) -> None:
    if not full:
        path.unlink()
        return
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(path, max(0, path.stat().st_size - room))


@contextlib.contextmanager
def _limited(folder: Path) -> Iterator[_Fill]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(full: bool, room: int = 0) -> None:
        """As if the disk were full for whatever is longer than the longest file there."""
        longest = max((file.stat().st_size for file in folder.iterdir()), default=0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (longest + room if full else soft, hard))

    try:
        yield fill
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
