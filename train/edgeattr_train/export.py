"""A bundle from a checkpoint: its description, and its first variant, ``onnx-fp32``."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeattr.core.bundle import Bundle, Golden, InputSpec
from edgeattr.core.bundle_format import Variant, variant_file
from edgeattr.core.files import sha256_of
from edgeattr.core.posterior import TrackFusion
from edgeattr_train.calibrate import DecisionFit
from edgeattr_train.checkpoint import Checkpoint
from edgeattr_train.golden import golden_crops
from edgeattr_train.recipe import Recipe


def bundle_from_checkpoint(checkpoint: Checkpoint, directory: Path, name: str) -> Bundle:
    """Export a trained model into a new bundle with the variant ``onnx-fp32``.

    Args:
        checkpoint: the trained model. Where no decision has been fitted, the bundle answers by
            the raw probability and 0.5.
        directory: ``NAME.edgeattr``.
        name: the bundle's.

    Raises:
        ContractNotMet: the export answers otherwise than the trained model; nothing is written.
    """
    from edgeattr_train.onnx_from_torch import TOLERANCE, onnx_from_torch

    recipe = checkpoint.recipe
    crops = golden_crops(recipe.height, recipe.width)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fp32.onnx"
        logits, parity = onnx_from_torch(checkpoint.model, file, crops, _metadata(checkpoint))
        digest = sha256_of(file)
        variant = Variant(
            engine="onnx",
            precision="fp32",
            file=variant_file("onnx-fp32", digest),
            sha256=digest,
            parent="torch",
            parity=parity,
            tolerance=10 * TOLERANCE,
            verdict="parity",
        )
        golden = Golden(crops, logits)
        bundle = describe(checkpoint, name, golden, {variant.name: variant})
        return bundle.write(directory, {variant.file: file})


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


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """What those need to know who have the ONNX file and nothing else of the bundle."""
    spec = InputSpec(height=checkpoint.recipe.height, width=checkpoint.recipe.width)
    return {
        "attributes": json.dumps(list(checkpoint.schema.names)),
        "input": json.dumps(dataclasses.asdict(spec)),
        "licence": str(checkpoint.facts.get("licence", "not stated")),
    }


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
