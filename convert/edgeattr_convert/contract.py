"""The contract that a converted variant is held to, and what to try where it does not hold."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from edgeattr.core.schema import AttributeSchema
from edgeattr_convert.accuracy import Evaluation, number
from edgeattr_convert.proof import AttributeChange, Proof
from edgeattr_runtimes.device import has_int8_instructions

__all__ = ["Contract", "accuracy_holds", "attribute_changes", "flips", "judged"]

_PERCENT = 100
_NAMED = 3  # layers and attributes in an advice
_WORTH_NAMING = 0.5  # points that an attribute loses


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What is promised of a variant against its parent."""

    max_drop: float = 0.5  # largest loss of mA and of F1, points
    min_speedup: float = 1.2  # of INT8, in crops per second; 0: any


def accuracy_holds(proof: Proof, contract: Contract) -> bool:
    """Whether no more is lost than allowed, of what was measured; logits are numbers and close."""
    kept = all(drop <= contract.max_drop for drop in proof.drops.values())
    return kept and proof.parity <= proof.tolerance


def judged(proof: Proof, contract: Contract) -> Proof:
    """The proof with its verdict, and with advice where the contract does not hold."""
    accurate = accuracy_holds(proof, contract)
    limit = contract.min_speedup if proof.variant.endswith("-int8") else 0.0
    fast = proof.speed is None or proof.speed.low >= limit
    advice = (
        *(() if accurate else _accuracy_advice(proof)),
        *(() if fast else _speed_advice(proof, limit)),
    )
    return dataclasses.replace(
        proof, met=accurate and fast, verdict=_verdict(proof, contract, limit), advice=advice
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


def _verdict(proof: Proof, contract: Contract, limit: float) -> str:
    parts = [f"logits off by at most {proof.parity:.2g} of {proof.tolerance:.2g} allowed"]
    if proof.drops:
        lost = ", ".join(
            f"{'F1' if key == 'f1' else key} {0.0 - drop:+.2f}" for key, drop in proof.drops.items()
        )
        parts.append(f"{lost} of {contract.max_drop:g} points allowed")
    if proof.flips is not None:
        parts.append(f"{proof.flips:.2f} % of decisions flip")
    if proof.speed is not None:
        wanted = f", {limit:g} is wanted" if limit else ""
        parts.append(
            f"{proof.speed.speedup:.2f} times as fast ({proof.speed.low:.2f} to "
            f"{proof.speed.high:.2f}{wanted})"
        )
    return "; ".join(parts)


def _accuracy_advice(proof: Proof) -> tuple[str, ...]:
    if not proof.parity <= proof.tolerance:
        return (
            f"the logits differ too much: keep to {proof.parent}, and report this model to the "
            "makers of edgeattr",
        )
    layers = sorted(proof.layers, key=lambda layer: -layer.error)[:_NAMED]
    falls = [
        (entry.before - entry.after, entry.name)
        for entry in proof.attributes
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
    if proof.variant.endswith("-int8"):
        lines.append("calibrate on more images like those of your cameras (--calib), or use --fp16")
    return (*lines, "allow more (--max-drop)")


def _speed_advice(proof: Proof, limit: float) -> tuple[str, ...]:
    assert proof.speed is not None
    parent = proof.speed.parent or proof.parent
    lines = [f"{proof.variant} is not {limit:g} times as fast as {parent} on {proof.speed.device}"]
    if not proof.variant.startswith("tensorrt") and not has_int8_instructions():
        lines.append(
            "this processor has no INT8 arithmetic (VNNI, dot product), so INT8 gains little "
            "speed on it; its files are smaller all the same"
        )
    less = math.floor(_PERCENT * max(0.0, proof.speed.low)) / _PERCENT
    return (*lines, f"ask for less (--min-speedup {less:.2f}), or use --fp16")
