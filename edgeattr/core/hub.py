"""Named models and detectors: where they are kept, and how they get there.

Files live under ``EDGEATTR_HOME`` (``~/.cache/edgeattr`` by default). A download goes to a
temporary name, and takes its place only when its size and checksum are those that its publisher's
file has; of several files, those that are whole stay.
``EDGEATTR_OFFLINE=1`` forbids all downloads.
"""

from __future__ import annotations

import functools
import hashlib
import http.client
import json
import os
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from edgeattr.core.config import read_toml
from edgeattr.core.errors import DownloadError, UsageError
from edgeattr.core.files import atomic_path

_TIMEOUT = 15.0  # seconds without an answer
_BLOCK = 1 << 16  # bytes
_OF_A_CONVERSION = dict.fromkeys(("format", "variants", "sha256"))  # of bundle.json
_DIGESTS = {64: "sha256", 96: "sha384"}  # hexadecimal digits -> algorithm


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


def _read_zoo() -> Mapping[str, RemoteModel]:
    table = read_toml(Path(__file__).with_name("model_zoo.toml"), what="model zoo")
    return {
        name: RemoteModel(
            **{**entry, "files": tuple(RemoteFile(**file) for file in entry["files"])}
        )
        for name, entry in table.items()
    }


KNOWN: Mapping[str, RemoteModel] = MappingProxyType(_read_zoo())


def home() -> Path:
    """Where downloads and converted bundles are kept."""
    configured = os.environ.get("EDGEATTR_HOME")
    try:
        return Path(configured).expanduser() if configured else Path.home() / ".cache" / "edgeattr"
    except RuntimeError as error:
        raise UsageError(f"there is no home directory ({error}); set EDGEATTR_HOME") from error


def default_bundle() -> Path:
    """The bundle that comes inside the package."""
    return Path(__file__).parent.parent / "data" / "default.edgeattr"


def person_bundle() -> Path:
    """The person detector: what `edgeattr convert person` made here, or else the shipped one."""
    shipped = default_bundle().with_name("person.edgeattr")
    converted = home() / "bundles" / "person.edgeattr"
    return converted if _derives_from(shipped, converted) else shipped


def resolve_bundle(model: str | os.PathLike[str] | None) -> Path:
    """Where a model is.

    Args:
        model: ``default`` or nothing: what `edgeattr convert` made of the shipped bundle on this
            machine, or else the shipped bundle itself. ``person``: the same of the person
            detector. Anything else is a path.
    """
    if model is None or os.fspath(model) == "default":
        converted = home() / "bundles" / "default.edgeattr"
        return converted if _derives_from(default_bundle(), converted) else default_bundle()
    return person_bundle() if os.fspath(model) == "person" else Path(model)


def paths_of(model: RemoteModel) -> tuple[Path, ...]:
    """Where a model's files are kept, whether or not they are there; the first is to be opened."""
    return tuple(_place(file) for file in model.files)


def cached(name: str) -> Path | None:
    """The local copy of a known model, if all of it is there and is what was published.

    Returns:
        The file to open.
    """
    model = _known(name)
    return _place(model.files[0]) if all(map(_is_whole, model.files)) else None


def fetch(
    name: str,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    remote: RemoteModel | None = None,
) -> Path:
    """The local copy of a known model; files that are not there yet are downloaded.

    Args:
        name: a key of :data:`KNOWN`.
        progress: called with bytes done and bytes in all.
        remote: what to fetch instead of ``KNOWN[name]``.

    Returns:
        The file to open; others that belong to it lie beside it.

    Raises:
        UsageError: no such name.
        DownloadError: offline, unreachable, or not the file that was published.
    """
    model = remote or _known(name)
    missing = [file for file in model.files if not _is_whole(file)]
    if missing and os.environ.get("EDGEATTR_OFFLINE", "") not in ("", "0"):
        raise DownloadError(
            f"{name} is not in {_place(missing[0]).parent} and EDGEATTR_OFFLINE forbids "
            f"downloading it; download {' and '.join(file.url for file in missing)} elsewhere "
            "and put it there"
        )
    ready = model.bytes - sum(file.bytes for file in missing)
    for file in missing:
        _fetch_file(name, file, functools.partial(_add, progress, ready, model.bytes))
        ready += file.bytes
    return _place(model.files[0])


def _add(progress: Callable[[int, int], None], ready: int, total: int, done: int) -> None:
    """Tell of one file's bytes together with those of the files before."""
    progress(ready + done, total)


def _fetch_file(name: str, wanted: RemoteFile, progress: Callable[[int], None]) -> None:
    path = _place(wanted)
    try:
        with atomic_path(path) as temporary:
            _download(wanted, temporary, progress)
            found = _digest_of(temporary, wanted)
            if found != wanted.digest:
                raise DownloadError(
                    f"{wanted.url} gave another file than was published: its "
                    f"{_DIGESTS[len(wanted.digest)].upper()} is {found[:12]}..., expected "
                    f"{wanted.digest[:12]}...; it was removed"
                )
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"{name} could not be downloaded from {wanted.url}: {error}. "
            f"Try again, or put the file at {path} by hand"
        ) from error


def _place(file: RemoteFile) -> Path:
    return home() / "files" / file.name


def _is_whole(file: RemoteFile) -> bool:
    path = _place(file)
    right_size = path.is_file() and path.stat().st_size == file.bytes
    return right_size and _digest_of(path, file) == file.digest


def _digest_of(path: Path, published: RemoteFile) -> str:
    """A file's checksum by the algorithm that its publisher used."""
    digest = hashlib.new(_DIGESTS[len(published.digest)])
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _download(wanted: RemoteFile, target: Path, progress: Callable[[int], None]) -> None:
    done = 0
    with urllib.request.urlopen(wanted.url, timeout=_TIMEOUT) as answer, open(target, "wb") as file:
        while done <= wanted.bytes and (block := answer.read(_BLOCK)):
            file.write(block)
            done += len(block)
            progress(min(done, wanted.bytes))
    if done < wanted.bytes:
        raise ConnectionError(f"the connection closed after {done} of {wanted.bytes} bytes")


def _known(name: str) -> RemoteModel:
    try:
        return KNOWN[name]
    except KeyError as error:
        raise UsageError(f"no model called {name!r}; known: {', '.join(KNOWN)}") from error


def _derives_from(shipped: Path, converted: Path) -> bool:
    """Whether a converted bundle was made from the very one that this version ships: all but the
    variants is the same, what turns logits into answers too."""
    try:
        ours, theirs = (
            {**json.loads((folder / "bundle.json").read_text()), **_OF_A_CONVERSION}
            for folder in (shipped, converted)
        )
    except (OSError, ValueError, TypeError):
        return False
    return ours == theirs
