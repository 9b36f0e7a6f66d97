"""What engines compiled for this device, kept under ``EDGEATTR_HOME/engines`` for the next start.

An entry is a file and, beside it, a ``.json`` with the facts that it was made from and for, and its
SHA-256. It is used only where all facts are the very ones asked for and the content has that
SHA-256; anything else counts as absent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.errors import OutputError
from edgeattr.core.files import write_atomically
from edgeattr.core.hub import home

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
    """An entry's content; None if it is missing, damaged or made for something else."""
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
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> OutputError:
    """The error of an entry that cannot be kept."""
    return OutputError(
        f"what was compiled cannot be kept at {path}: {error}; make room or allow writing there, "
        "or set EDGEATTR_HOME to another folder"
    )


def _description(content: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"facts": dict(facts), "sha256": hashlib.sha256(content).hexdigest()}
