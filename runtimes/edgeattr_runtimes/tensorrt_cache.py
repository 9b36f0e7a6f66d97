"""Built TensorRT engines, kept under ``EDGEATTR_HOME/engines``.

    tensorrt-int8-3f0c....engine         what was built
    tensorrt-int8-3f0c....engine.json    what it was built from and for, and its SHA-256
    tensorrt-int8-3f0c....engine.log     what TensorRT said while it built
    tensorrt-int8-3f0c....engine.lock    held while a process looks for it or builds it

An entry is used only where all facts are the very ones asked for and the content has the SHA-256
that its description names; anything else counts as absent.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.errors import OutputError
from edgeattr.core.files import write_atomically
from edgeattr.core.hub import home

__all__ = ["beside", "entry_path", "forget", "locked", "read_entry", "write_entry"]

_DIGITS = 16  # of the key's SHA-256 in a file name: 64 bits


def entry_path(name: str, facts: Mapping[str, Any]) -> Path:
    """Where the entry with these facts belongs.

    Args:
        name: the start and the suffix of the file's name, as in ``tensorrt-int8.engine``.
        facts: all that it depends on; plain JSON values.
    """
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    start = Path(name)
    return home() / "engines" / f"{start.stem}-{key}{start.suffix}"


def beside(path: Path, suffix: str) -> Path:
    """The file of this suffix that belongs to an entry."""
    return path.with_name(path.name + suffix)


def read_entry(path: Path, facts: Mapping[str, Any]) -> bytes | None:
    """An entry's content, or nothing where it is absent, damaged or made for something else."""
    try:
        described = json.loads(beside(path, ".json").read_text())
        content = path.read_bytes()
    except (OSError, ValueError):
        return None
    return content if described == _description(content, facts) else None


def write_entry(path: Path, content: bytes, facts: Mapping[str, Any]) -> None:
    """Keep an entry. A run that is killed midway leaves one that :func:`read_entry` refuses.

    Raises:
        OutputError: it cannot be written.
    """
    described = json.dumps(_description(content, facts), indent=1) + "\n"
    try:
        write_atomically(path, content)
        write_atomically(beside(path, ".json"), described)
    except OSError as error:
        raise _unwritable(path, error) from error


def forget(variant: str) -> None:
    """Remove the entries that were made of a variant.

    What cannot be removed stays, and so does an entry that a process looks for or builds just now.

    Args:
        variant: the SHA-256 of its file, the fact ``variant`` in an entry's description.
    """
    for described in (home() / "engines").glob("*.engine.json"):
        if _variant(described) == variant:
            _remove(described.with_suffix(""))


def _remove(path: Path) -> None:
    """Remove an entry, its lock last and while it is held, unless somebody else holds it."""
    with contextlib.suppress(OSError):
        handle = os.open(beside(path, ".lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for suffix in ("", ".json", ".log", ".lock"):
                beside(path, suffix).unlink(missing_ok=True)
        finally:
            os.close(handle)


def _variant(described: Path) -> object:
    """What a description names as the variant, or nothing where it cannot be read."""
    try:
        return json.loads(described.read_text())["facts"]["variant"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes and threads from this entry until the block ends.

    The lock goes with the process that holds it, so one that is killed blocks nobody.

    Raises:
        OutputError: the cache's folder cannot be written to.
    """
    lock = beside(path, ".lock")
    try:
        handle = _hold(lock)
        while not _is_at(lock, handle):  # who held it before removed it: it keeps nobody out
            os.close(handle)
            handle = _hold(lock)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield
    finally:
        os.close(handle)


def _hold(lock: Path) -> int:
    """Open and lock a file, which is made where it is absent; gives its descriptor."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except BaseException:  # Ctrl-C while it waits
        os.close(handle)
        raise
    return handle


def _is_at(lock: Path, handle: int) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(lock.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _description(content: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"facts": dict(facts), "sha256": hashlib.sha256(content).hexdigest()}


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"a TensorRT engine cannot be kept at {path}: {error}; make room or allow writing there, "
        "or set EDGEATTR_HOME to another folder"
    )
