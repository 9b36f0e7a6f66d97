"""The version of a bundle's format, MAJOR.MINOR, and what a reader does with another one.

MINOR is raised where something is added that a reader may pass over: a section of ``bundle.json``,
a field of a variant, a family of engines. MAJOR is raised where an older reader would answer
wrongly or not at all. A writer names the lowest format that has all that is in the bundle, so that
as many readers as possible take it; 1.0 is written as the number 1, which is all that the first
readers knew.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgeattr.core.errors import BundleError

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


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One file of the bundle that an engine can run."""

    engine: str  # "onnx", "openvino", "tensorrt": which family of runtimes reads it
    precision: str  # "fp32", "fp16" or "int8"
    file: str  # name inside the bundle
    sha256: str  # of that file
    parent: str  # the variant it was made from; "torch" for the first
    parity: float  # largest difference of the logits from the reference on the golden crops
    tolerance: float  # the difference beyond which it must not serve
    metrics: Mapping[str, Any] = field(default_factory=dict)  # accuracy, with data set and split
    speed: Mapping[str, Any] = field(default_factory=dict)  # with the device that measured it
    calibration: Mapping[str, Any] = field(default_factory=dict)  # INT8: images and their digest
    verdict: str = ""  # what the conversion contract said
    later: Mapping[str, Any] = field(default_factory=dict)  # fields that a newer edgeattr added

    @property
    def name(self) -> str:
        """``onnx-int8`` and the like."""
        return f"{self.engine}-{self.precision}"

    def to_json(self) -> dict[str, Any]:
        """What stands in ``bundle.json`` under its name."""
        fields = dataclasses.asdict(self)
        return {**fields.pop("later"), **fields}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Variant:
        """Read what :meth:`to_json` wrote; fields that are not known are kept in ``later``.

        Raises:
            TypeError: a field is missing.
        """
        names = {entry.name for entry in dataclasses.fields(cls)} - {"later"}
        later = {key: entry for key, entry in value.items() if key not in names}
        return cls(**{key: entry for key, entry in value.items() if key in names}, later=later)


def variant_file(name: str, sha256: str, suffix: str = ".onnx") -> str:
    """The name of a variant's file inside a bundle: ``model-onnx-int8-1a2b3c4d.onnx``."""
    return f"model-{name}-{sha256[:8]}{suffix}"
