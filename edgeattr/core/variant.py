"""One file of a bundle: what it is, how it was proven, and what it is called."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Variant", "variant_file"]


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
