"""What a bundle says of a trained model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.bundle import Bundle, Golden, InputSpec, Variant
from edgeattr.core.posterior import TrackFusion
from edgeattr_train.calibrate import DecisionFit
from edgeattr_train.checkpoint import Checkpoint
from edgeattr_train.recipe import Recipe

__all__ = ["describe"]


def describe(
    checkpoint: Checkpoint, name: str, golden: Golden, variants: Mapping[str, Variant]
) -> Bundle:
    """A checkpoint's bundle, not written yet.

    Args:
        checkpoint: the trained model. Where no decision has been fitted, the bundle answers by
            the raw probability and 0.5.
        name: the bundle's.
        golden: crops and this model's logits for them.
        variants: may be empty.
    """
    recipe, attributes = checkpoint.recipe, len(checkpoint.schema)
    decision = DecisionFit(**checkpoint.decision) if checkpoint.decision else None
    track, sets = checkpoint.track, len(checkpoint.schema.exclusive)
    return Bundle(
        name=name,
        schema=checkpoint.schema,
        input=InputSpec(height=recipe.height, width=recipe.width),
        thresholds=decision.thresholds if decision else (0.5,) * attributes,
        scale=decision.scale if decision else (1.0,) * attributes,
        offset=decision.offset if decision else (0.0,) * attributes,
        training={
            **checkpoint.facts,
            "recipe": _portable(recipe),
            **({"decision": decision.to_json()} if decision else {}),
        },
        variants=dict(variants),
        golden=golden,
        track=TrackFusion.from_json(track, attributes, sets) if track else None,
    )


def _portable(recipe: Recipe) -> dict[str, Any]:
    """The recipe without the places where its weights and teachers lay on that machine."""
    model = dataclasses.replace(
        recipe.model,
        weights=Path(recipe.model.weights).name,
        start=Path(recipe.model.start).name,
    )
    teachers = tuple(Path(teacher).name for teacher in recipe.distillation.teachers)
    distillation = dataclasses.replace(
        recipe.distillation,
        teachers=teachers,
        embedding=Path(recipe.distillation.embedding).name,
        soft_labels=Path(recipe.distillation.soft_labels).name,
    )
    return dataclasses.replace(recipe, model=model, distillation=distillation).to_dict()
