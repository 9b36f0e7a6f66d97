"""Named models and detectors: where they are kept, and how they get there.

Files live under ``EDGEATTR_HOME`` (``~/.cache/edgeattr`` by default). A download goes to a
temporary name, resumes where an earlier one stopped, and takes its place only when its size and
SHA-256 are those that its publisher's file has. ``EDGEATTR_OFFLINE=1`` forbids all downloads.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edgeattr.errors import DownloadError, UsageError
from edgeattr.files import sha256_of

__all__ = ["KNOWN", "RemoteFile", "cached", "default_bundle", "fetch", "home", "resolve_bundle"]

_TIMEOUT = 15.0  # seconds without an answer
_BLOCK = 1 << 16  # bytes
_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A published file, as its publisher has it."""

    name: str  # file name in the cache
    url: str
    bytes: int
    sha256: str
    licence: str
    summary: str


KNOWN: Mapping[str, RemoteFile] = MappingProxyType(
    {
        "yolox_nano": RemoteFile(
            name="yolox_nano.onnx",
            url=_YOLOX + "yolox_nano.onnx",
            bytes=3659407,
            sha256="c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
            licence="Apache-2.0",
            summary="person detector, 416x416, 0.9 M parameters: the default of `edgeattr run`",
        ),
        "yolox_tiny": RemoteFile(
            name="yolox_tiny.onnx",
            url=_YOLOX + "yolox_tiny.onnx",
            bytes=20219662,
            sha256="427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
            licence="Apache-2.0",
            summary="person detector, 416x416, 5 M parameters",
        ),
        "yolox_s": RemoteFile(
            name="yolox_s.onnx",
            url=_YOLOX + "yolox_s.onnx",
            bytes=35858002,
            sha256="c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
            licence="Apache-2.0",
            summary="person detector, 640x640, 9 M parameters: far and small people",
        ),
    }
)


def home() -> Path:
    """Where downloads and converted bundles are kept."""
    configured = os.environ.get("EDGEATTR_HOME")
    try:
        return Path(configured).expanduser() if configured else Path.home() / ".cache" / "edgeattr"
    except RuntimeError as error:
        raise UsageError(f"there is no home directory ({error}); set EDGEATTR_HOME") from error


def default_bundle() -> Path:
    """The bundle that comes inside the package."""
    return Path(__file__).parent / "data" / "default.edgeattr"


def resolve_bundle(model: str | os.PathLike[str] | None) -> Path:
    """Where a model is.

    Args:
        model: ``default`` or nothing: what `edgeattr convert` made of the shipped bundle on this
            machine, or else the shipped bundle itself. Anything else is a path.
    """
    if model is None or os.fspath(model) == "default":
        converted = home() / "bundles" / "default.edgeattr"
        return converted if _derives_from_default(converted) else default_bundle()
    return Path(model)


def cached(name: str) -> Path | None:
    """The local copy of a known file, if it is there and is what was published."""
    remote = _known(name)
    path = home() / "files" / remote.name
    return path if _is_published(path, remote) else None


def fetch(
    name: str,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    remote: RemoteFile | None = None,
) -> Path:
    """The local copy of a known file, downloaded where it is not there yet.

    Args:
        name: a key of :data:`KNOWN`.
        progress: called with bytes done and bytes in all.
        remote: what to fetch instead of ``KNOWN[name]``.

    Raises:
        UsageError: no such name.
        DownloadError: offline, unreachable, or not the file that was published. An incomplete
            file is kept under a temporary name, and the next call goes on from there.
    """
    wanted = remote or _known(name)
    path = home() / "files" / wanted.name
    if _is_published(path, wanted):
        return path
    if os.environ.get("EDGEATTR_OFFLINE", "") not in ("", "0"):
        raise DownloadError(
            f"{name} is not in {path.parent} and EDGEATTR_OFFLINE forbids downloading it; "
            f"download {wanted.url} elsewhere and put it there"
        )
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(wanted, partial, progress)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"{name} could not be downloaded from {wanted.url}: {error}. "
            "Whatever came is kept and the next try goes on from there; "
            f"or put the file at {path} by hand"
        ) from error
    found = sha256_of(partial)
    if found != wanted.sha256:
        partial.unlink()
        raise DownloadError(
            f"{wanted.url} gave another file than was published: SHA-256 {found[:12]}..., "
            f"expected {wanted.sha256[:12]}...; it was removed"
        )
    os.replace(partial, path)
    return path


def _is_published(path: Path, wanted: RemoteFile) -> bool:
    right_size = path.is_file() and path.stat().st_size == wanted.bytes
    return right_size and sha256_of(path) == wanted.sha256


def _download(wanted: RemoteFile, partial: Path, progress: Callable[[int, int], None]) -> None:
    have = partial.stat().st_size if partial.is_file() else 0
    if have > wanted.bytes:
        partial.unlink()
        have = 0
    if have == wanted.bytes:
        return
    request = urllib.request.Request(wanted.url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        resumed = have > 0 and answer.status == 206
        have = have if resumed else 0
        with open(partial, "ab" if resumed else "wb") as target:
            while block := answer.read(_BLOCK):
                target.write(block)
                have += len(block)
                if have > wanted.bytes:
                    break
                progress(have, wanted.bytes)
    if have < wanted.bytes:
        raise ConnectionError(f"the connection closed after {have} of {wanted.bytes} bytes")


def _known(name: str) -> RemoteFile:
    try:
        return KNOWN[name]
    except KeyError as error:
        raise UsageError(f"no file called {name!r}; known: {', '.join(KNOWN)}") from error


def _derives_from_default(converted: Path) -> bool:
    """Whether a converted bundle was made from the very default that this version ships."""
    try:
        ours, theirs = (
            json.loads((folder / "bundle.json").read_text())["golden"]["sha256"]
            for folder in (default_bundle(), converted)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(ours == theirs)
