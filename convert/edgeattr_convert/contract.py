"""The contract that a converted variant is held to, and what to try where it does not hold."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from edgeattr.core.schema import AttributeSchema
from edgeattr_convert.accuracy import Evaluation, number
from edgeattr_convert.validation_result import AttributeChange, ValidationResult
from edgeattr_runtimes.device import has_int8_instructions

_PERCENT = 100
_NAMED = 3  # layers and attributes in an advice
_WORTH_NAMING = 0.5  # points that an attribute loses


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What is promised of a variant against its parent."""

    max_drop: float = 0.5  # largest loss of mA and of F1, points
    min_speedup: float = 1.2  # of INT8, in crops per second; 0: any

    def speedup_of(self, variant: str) -> float:
        """How many times as fast as its parent a variant must be; 0: any."""
        return self.min_speedup if variant.endswith("-int8") else 0.0


def accuracy_holds(result: ValidationResult, contract: Contract) -> bool:
    """Whether no more is lost than allowed, of what was measured; logits are numbers and close."""
    kept = all(drop <= contract.max_drop for drop in result.drops.values())
    return kept and result.parity <= result.tolerance


def judged(result: ValidationResult, contract: Contract) -> ValidationResult:
    """The result with its verdict, and with advice where the contract does not hold."""
    accurate = accuracy_holds(result, contract)
    limit = contract.speedup_of(result.variant)
    fast = result.speed is None or result.speed.low >= limit
    advice = (
        *(() if accurate else _accuracy_advice(result)),
        *(() if fast else _speed_advice(result, limit)),
    )
    return dataclasses.replace(
        result,
        min_speedup=limit,
        met=accurate and fast,
        verdict=_verdict(result, contract, limit),
        advice=advice,
    )


def attribute_changes(
    schema: AttributeSchema, before: Evaluation, after: Evaluation
) -> tuple[AttributeChange, ...]:
    """Every attribute, parent against child."""
    flipped = (before.decisions != after.decisions).mean(0) * _PERCENT
    return tuple(
        AttributeChange(
            name=name,
            before=number(float(before.scores.per_attribute_mA[index])),
            after=number(float(after.scores.per_attribute_mA[index])),
            flips=round(float(flipped[index]), 4),
        )
        for index, name in enumerate(schema.names)
    )


def flips(before: Evaluation, after: Evaluation) -> float:
    """Share of decisions that differ, percent."""
    return round(float(np.mean(before.decisions != after.decisions)) * _PERCENT, 4)


def _verdict(result: ValidationResult, contract: Contract, limit: float) -> str:
    parts = [
        f"{result.outputs} off by at most {result.parity:.2g} of {result.tolerance:.2g} allowed"
    ]
    if result.drops:
        lost = ", ".join(
            f"{'F1' if key == 'f1' else key} {0.0 - drop:+.2f}"
            for key, drop in result.drops.items()
        )
        parts.append(f"{lost} of {contract.max_drop:g} points allowed")
    if result.flips is not None:
        parts.append(f"{result.flips:.2f} % of decisions flip")
    if result.speed is not None:
        limited = f"at least {limit:g} is required" if limit else "no speedup is required"
        parts.append(
            f"{result.speed.speedup:.2f} times as fast ({result.speed.low:.2f} to "
            f"{result.speed.high:.2f}; {limited})"
        )
    return "; ".join(parts)


def _accuracy_advice(result: ValidationResult) -> tuple[str, ...]:
    if not result.parity <= result.tolerance:
        return (
            f"the {result.outputs} differ too much: keep to {result.parent}, and report this model "
            "to the makers of edgeattr",
        )
    layers = sorted(result.layers, key=lambda layer: -layer.error)[:_NAMED]
    falls = [
        (entry.before - entry.after, entry.name)
        for entry in result.attributes
        if entry.before is not None and entry.after is not None
    ]
    worst = [
        f"{name} ({-fall:+.1f})"
        for fall, name in sorted(falls, reverse=True)[:_NAMED]
        if fall > _WORTH_NAMING
    ]
    lines = []
    if layers:
        lines.append(f"layers that hurt most: {', '.join(layer.layer for layer in layers)}")
    if worst:
        lines.append(f"attributes that lose most: {', '.join(worst)}")
    if result.variant.endswith("-int8"):
        lines.append("calibrate on more images like those of your cameras (--calib), or use --fp16")
    return (*lines, "allow more (--max-drop)")


def _speed_advice(result: ValidationResult, limit: float) -> tuple[str, ...]:
    assert result.speed is not None
    parent = result.speed.parent or result.parent
    lines = [
        f"{result.variant} is not {limit:g} times as fast as {parent} on {result.speed.device}"
    ]
    if not result.variant.startswith("tensorrt") and not has_int8_instructions():
        lines.append(
            "this processor has no INT8 arithmetic (VNNI, dot product), so INT8 gains little "
            "speed on it; its files are smaller all the same"
        )
    less = math.floor(_PERCENT * max(0.0, result.speed.low)) / _PERCENT
    return (*lines, f"ask for less (--min-speedup {less:.2f}), or use --fp16")
