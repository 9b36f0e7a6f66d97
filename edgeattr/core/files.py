"""Files that are complete or absent, or written by one run alone; checksums."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgeattr.core.errors import OutputError

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same content gives the same zip
_BLOCK = 1 << 20  # bytes read at a time while hashing
_PRIVATE = 0o600  # mode of a new file: results are personal data
_TAKEN = "another run writes to it; give this one a file of its own"


@contextlib.contextmanager
def atomic_path(target: Path, *, private: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``target`` and move it into place on success.

    A killed process leaves the old file or none; an exception removes the temporary file.

    Args:
        target: where the finished file belongs. Its parent is created if need be.
        private: for its owner alone, whatever the umask says.

    Yields:
        A path in the same directory, with the same suffix, to write to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o600 if private else 0o666 & ~_UMASK)
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(target: Path, content: bytes | str, *, private: bool = False) -> None:
    """Write ``content`` (text as UTF-8) to ``target`` so that no partial file is ever seen.

    Args:
        target: where it belongs.
        content: all of it.
        private: whether its owner alone may read it.
    """
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(target, private=private) as temporary:
        temporary.write_bytes(data)


def add_to_zip(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a compressed member that depends on nothing but its name and content."""
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, content)


def check_writable(target: Path, *, folder: bool = False, hint: str = "name another place") -> None:
    """Refuse before any long work begins what could not be written at its end.

    Nothing is left behind. That the disk fills meanwhile cannot be foreseen.

    Args:
        target: a file that will be written, in a folder that may have to be made.
        folder: ``target`` is itself a folder that files will be written into.
        hint: what to do, for the error.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        if target.is_dir() and not folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        place = target.absolute() if folder else target.absolute().parent
        while not place.exists():
            place = place.parent
        with tempfile.NamedTemporaryFile(prefix=".edgeattr-", dir=place):
            pass
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); {hint}") from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, if it does not exist.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, as lower-case hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    """The process's; it can only be read by setting it, so never beside other threads."""
    current = os.umask(0)
    os.umask(current)
    return current


_UMASK = _umask()


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
