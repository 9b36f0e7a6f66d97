"""The results of validating converted variants: judged, reported, and kept in the bundle.

All values are plain, so that ``report.json`` is these classes and nothing else.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard


@dataclass(frozen=True, kw_only=True)
class AttributeChange:
    """One attribute on the held data, parent against child. Percentages, None where undefined."""

    name: str
    before: float | None  # mA of the parent
    after: float | None  # mA of the child
    flips: float  # share of decisions that differ

    @property
    def change(self) -> float | None:
        """In points, negative where mA fell; None where undefined."""
        if _is_number(self.before) and _is_number(self.after):
            return self.after - self.before
        return None


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Parent and child timed in turns in one run on one device."""

    device: str  # processor and cores, or GPU
    parent: str = ""  # what it was timed beside: "onnx-fp32"
    arithmetic: str = "f32"  # of the child's layers that are not INT8
    batch: int  # crops a call
    parent_crops_per_second: float  # median
    crops_per_second: float  # median
    parent_latency_ms: float  # median of one crop alone
    latency_ms: float
    speedup: float  # median of the turns' ratios, in crops per second
    low: float  # 95 % interval of that median
    high: float


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """What quantizing one layer alone does to the logits."""

    layer: str  # name of the node
    error: float  # RMS change of the logits
    in_float: bool  # whether it stayed in float in the end


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """One variant against its parent."""

    variant: str  # "onnx-int8"
    parent: str  # "onnx-fp32"
    bytes: int  # of the variant's file
    parent_bytes: int
    parity: float  # largest change of an output on the golden crops or frames
    tolerance: float  # what is allowed
    before: Mapping[str, Any] = field(default_factory=dict)  # parent's metrics, data set, split
    after: Mapping[str, Any] = field(default_factory=dict)
    flips: float | None = None  # share of decisions that differ, percent
    attributes: tuple[AttributeChange, ...] = ()
    speed: Speed | None = None
    layers: tuple[LayerError, ...] = ()  # sensitivity, in the order of the graph
    tried: Mapping[str, float] = field(default_factory=dict)  # way to quantize -> RMS of logits
    notes: tuple[str, ...] = ()  # what was done: "3 first convolutions in float", ...
    min_speedup: float = 0.0  # required by the contract; 0: none
    met: bool = True  # whether the contract holds
    outputs: str = "logits"  # what parity is of
    verdict: str = ""  # in a sentence
    advice: tuple[str, ...] = ()  # where it does not hold: what is to blame, what to try

    @property
    def drops(self) -> dict[str, float]:
        """Loss of each figure that is held to the contract, in points, where it is defined."""
        return {
            key: self.before[key] - self.after[key]
            for key in ("mA", "f1", "AP50", "recall")
            if self.before.get(key) is not None and self.after.get(key) is not None
        }

    @property
    def measured_on(self) -> str:
        """The held data, e.g. "peta val, 1900 images"."""
        facts = {**self.before, **self.after}
        images = f"{facts['images']} images" if facts.get("images") else ""
        data = " ".join(str(facts[key]) for key in ("dataset", "split") if facts.get(key))
        return ", ".join(filter(None, (data, images))) or "n/a"

    @property
    def worst_attributes(self) -> list[AttributeChange]:
        """The largest drop first, the undefined last."""
        return sorted(self.attributes, key=lambda entry: (entry.change is None, entry.change or 0))

    @property
    def worst_layers(self) -> list[tuple[LayerError, int]]:
        """The ten that lose most (no number is worst of all), with their place in the graph."""
        placed = [(layer, place) for place, layer in enumerate(self.layers, 1)]
        placed.sort(key=lambda item: -item[0].error if _is_number(item[0].error) else -math.inf)
        return placed[:10]

    @property
    def best_ways(self) -> list[tuple[str, float]]:
        """The ways tried, the least error first."""
        return sorted(self.tried.items(), key=lambda way: (not _is_number(way[1]), way[1]))


@dataclass(frozen=True, kw_only=True)
class ConversionRecord:
    """One run of `edgeattr convert`."""

    model: str  # name of the bundle
    version: str  # of edgeattr
    made: str  # UTC, ISO 8601
    device: str
    max_drop: float  # the contract: points of mA and of F1
    min_speedup: float
    met: bool  # the contract holds for every variant
    written: bool  # whether the bundle was
    results: tuple[ValidationResult, ...]  # in the order of the steps
    calibration: Mapping[str, Any] = field(default_factory=dict)  # data set, split, images, sha256

    def to_json(self) -> dict[str, Any]:
        """The content of ``report.json``."""
        values = dataclasses.asdict(self)
        values["proofs"] = values.pop("results")  # the file's own name for them
        return values


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
