"""What can be downloaded, as its publishers have it: addresses, sizes, checksums, licences.

The table is data: ``model_zoo.toml`` beside this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from edgeattr.core.config import read_toml

__all__ = ["KNOWN", "RemoteFile", "RemoteModel"]


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A published file."""

    name: str  # path in the cache, with slashes
    url: str
    bytes: int
    digest: str  # hexadecimal: 64 digits are a SHA-256, 96 a SHA-384


@dataclass(frozen=True, kw_only=True)
class RemoteModel:
    """A published model: one file, or several that belong together."""

    files: tuple[RemoteFile, ...]  # the first is the one to open
    licence: str
    summary: str
    measured: Mapping[str, float] = field(default_factory=dict)
    """AP50, recall and box precision from score 0.45, %, on MOT15's TUD-Stadtmitte, where the file
    was at hand: `edgeattr eval NAME --data mot:DIR`."""

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files)


def _read() -> Mapping[str, RemoteModel]:
    table = read_toml(Path(__file__).with_suffix(".toml"), what="model zoo")
    return {
        name: RemoteModel(
            **{**entry, "files": tuple(RemoteFile(**file) for file in entry["files"])}
        )
        for name, entry in table.items()
    }


KNOWN: Mapping[str, RemoteModel] = MappingProxyType(_read())
