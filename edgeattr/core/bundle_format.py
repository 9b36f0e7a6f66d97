"""The version of a bundle's format, MAJOR.MINOR, and what a reader does with another one.

MINOR is raised where something is added that a reader may pass over: a section of ``bundle.json``,
a field of a variant, a family of engines. MAJOR is raised where an older reader would answer
wrongly or not at all. A writer names the lowest format that has all that is in the bundle, so that
as many readers as possible take it; 1.0 is written as the number 1, which is all that the first
readers knew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from edgeattr.core.errors import BundleError

__all__ = ["CURRENT", "BundleFormat", "check_format"]

_TEXT = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})")
_LARGEST = 999_999


@dataclass(frozen=True, order=True)
class BundleFormat:
    """A format; the larger, the newer."""

    major: int  # readers of another one refuse it
    minor: int  # readers of a smaller one pass over what they do not know

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    def to_json(self) -> int | str:
        """What stands in ``bundle.json`` under ``format``."""
        return str(self) if self.minor else self.major

    @classmethod
    def from_json(cls, value: Any) -> BundleFormat:
        """Read what :meth:`to_json` wrote; ``"1.0"`` is 1 as well.

        Raises:
            ValueError: it is neither a whole number nor the text MAJOR.MINOR.
        """
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
            return cls(value, 0)
        if isinstance(value, str) and (parts := _TEXT.fullmatch(value)):
            return cls(int(parts[1]), int(parts[2]))
        raise ValueError(f"{value!r} is neither a whole number nor MAJOR.MINOR as text")


CURRENT = BundleFormat(1, 0)


def check_format(value: Any, where: str) -> BundleFormat:
    """The format of a bundle that this version can read.

    Args:
        value: what stands in ``bundle.json`` under ``format``.
        where: the bundle's path, for the error.

    Raises:
        BundleError: no format at all, or of another major version.
    """
    try:
        found = BundleFormat.from_json(value)
    except ValueError as error:
        raise BundleError(f"{where} is damaged: its bundle format {error}") from error
    if found.major == CURRENT.major:
        return found
    cure = (
        "update edgeattr: pip install --upgrade edgeattr"
        if found > CURRENT
        else "make the bundle again from its checkpoint: edgeattr convert best.pt"
    )
    raise BundleError(
        f"{where} has bundle format {found}; this version of edgeattr reads formats "
        f"{CURRENT.major}.0 to {CURRENT.major}.x. What helps: {cure}"
    )
