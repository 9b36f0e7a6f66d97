"""Files of a bundle, in a directory or a zip, read without trusting them."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import BundleError

INDEX = "bundle.json"
DAMAGE = (  # what reading a damaged file may raise
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    EOFError,
    RuntimeError,  # a zip with a password or of an unknown compression; too deep a JSON text
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
)
_LARGEST_INDEX = 16 << 20  # bytes
_LARGEST_ARRAYS = 256 << 20  # bytes of the golden crops and logits, unpacked
_FREE = 16 << 20  # bytes that a member of a zip may unpack to, however small it was
_RATIO = 50  # times that larger ones may grow; weights hardly shrink
_LARGEST_NUMBER = 2**63
_log = logging.getLogger("edgeattr.core.bundle")


def read_member(path: Path, name: str, limit: int | None = None) -> bytes:
    """One file of a bundle.

    Args:
        path: the bundle, a directory or a zip; a zip may hold all in one folder.
        name: of the file.
        limit: bytes that it may have; any number if None.

    Raises:
        BundleError: it is missing, too large, or cannot be read.
    """
    try:
        if path.is_dir():
            return _read_file(path / name, limit)
        if not path.is_file():
            raise ValueError("neither a directory nor a file")
        with zipfile.ZipFile(path) as archive:
            return archive.read(_zip_member(archive, name, limit))
    except DAMAGE as error:
        raise BundleError(f"{path}: {name} is missing or cannot be read ({error})") from error


def read_index(path: Path) -> dict[str, Any]:
    """``bundle.json`` without its ``sha256``, which is checked against all the rest.

    One without it, written by hand or by another tool, is read with a warning.

    Raises:
        BundleError: it is missing, damaged, or was changed after it had been written.
    """
    text = read_member(path, INDEX, _LARGEST_INDEX)
    try:
        index: dict[str, Any] = json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_finite
        )
        if not isinstance(index, dict):
            raise ValueError(f"expected an object, got {type(index).__name__}")
        stated = index.pop("sha256", None)
        found = with_digest(index)["sha256"]
    except DAMAGE as error:
        raise BundleError(
            f"{path}/{INDEX} is damaged: {error}; get or convert the bundle again"
        ) from error
    if stated is None:
        _log.warning("%s/%s has no SHA-256 of itself: changes would not be noticed", path, INDEX)
    elif stated != found:
        raise BundleError(
            f"{path}/{INDEX} is damaged: it was changed after it had been written. Its SHA-256 is "
            f"{found[:12]}..., it says {str(stated)[:12]}...; get or convert the bundle again"
        )
    return index


def with_digest(index: Mapping[str, Any]) -> dict[str, Any]:
    """A description with ``sha256``: of the rest as JSON, keys sorted."""
    digest = hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
    return {**index, "sha256": digest}


def read_arrays(path: Path, name: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an ``.npz`` file in the bundle, by name.

    Raises:
        BundleError: the file is missing or damaged, or unpacks to too much.
    """
    content = read_member(path, name, _LARGEST_ARRAYS)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _LARGEST_ARRAYS:
            raise ValueError(f"it unpacks to {unpacked} bytes; {_LARGEST_ARRAYS} are allowed")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except DAMAGE as error:
        raise BundleError(
            f"{path}/{name} is damaged: {error}; get or convert the bundle again"
        ) from error


def _read_file(path: Path, limit: int | None) -> bytes:
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")
    if limit is not None and path.stat().st_size > limit:
        raise ValueError(f"it has {path.stat().st_size} bytes; {limit} are allowed")
    return path.read_bytes()


def _zip_member(archive: zipfile.ZipFile, name: str, limit: int | None) -> zipfile.ZipInfo:
    """The member called ``name``, at the top or in the one folder that encloses all."""
    found = [
        member
        for member in archive.infolist()
        if (place := PurePosixPath(member.filename)).name == name and len(place.parts) <= 2
    ]
    if len(found) != 1:
        where = "at the top or in one folder of the zip"
        raise KeyError(f"{len(found) or 'no'} files of that name {where}")
    size, packed = found[0].file_size, found[0].compress_size
    if (limit is not None and size > limit) or size > max(_FREE, _RATIO * packed):
        raise ValueError(f"its {packed} bytes unpack to {size}")
    if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("compressed otherwise than by deflate")
    return found[0]


def _whole(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) > _LARGEST_NUMBER:
        raise ValueError(f"the number {text[:20]}... is too large")
    return number


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number
