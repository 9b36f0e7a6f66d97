"""MATLAB annotation files: structs, cells of text and index vectors out of SciPy's nesting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import InputError, importing


def read_mat(path: Path, *, owner: str) -> dict[str, Any]:
    """The variables of a ``.mat`` file.

    Args:
        path: the file.
        owner: whose annotation it is, for errors: ``PETA``.

    Raises:
        InputError: missing or damaged.
        MissingDependency: SciPy is not installed.
    """
    with importing("scipy", extra="convert", purpose=f"read {path.name}"):
        import scipy.io
    if not path.is_file():
        raise InputError(f"{path} is missing; it is part of {owner}'s download")
    try:
        content: dict[str, Any] = scipy.io.loadmat(str(path))
    except Exception as error:  # SciPy raises many kinds on damaged files
        raise InputError(f"{path} is not {owner}'s annotation file: {error}") from error
    return content


def records(value: Any) -> list[Any]:
    """The structs in a struct array, or in a cell array of structs."""
    entries = np.asarray(value).ravel()
    return [entry if isinstance(entry, np.void) else entry.ravel()[0] for entry in entries]


def texts(value: Any) -> list[str]:
    """The strings in a cell array, whatever its nesting."""
    found = []
    for entry in np.asarray(value).ravel():
        while isinstance(entry, np.ndarray):
            entry = entry.ravel()[0] if entry.size else ""
        found.append(str(entry).strip())
    return found


def integers(value: Any) -> npt.NDArray[np.int64]:
    """A numeric vector, flat."""
    return np.asarray(value).astype(np.int64).ravel()
