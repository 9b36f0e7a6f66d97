"""A bundle from a checkpoint: its first variant, ``onnx-fp32``."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeattr.bundle import Bundle, Golden, InputSpec, Variant, variant_file
from edgeattr.files import sha256_of
from edgeattr_convert.golden import golden_crops
from edgeattr_train.calibrate import DecisionFit

if TYPE_CHECKING:
    from edgeattr_train.checkpoint import Checkpoint
    from edgeattr_train.recipe import Recipe

__all__ = ["bundle_from_checkpoint"]


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
    from edgeattr_convert.onnx_from_torch import TOLERANCE, onnx_from_torch

    recipe, attributes = checkpoint.recipe, len(checkpoint.schema)
    decision = DecisionFit(**checkpoint.decision) if checkpoint.decision else None
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
        bundle = Bundle(
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
            variants={variant.name: variant},
            golden=Golden(crops, logits),
        )
        return bundle.write(directory, {variant.file: file})


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
    )
    return dataclasses.replace(recipe, model=model, distillation=distillation).to_dict()


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """What those need to know who have the ONNX file and nothing else of the bundle."""
    spec = InputSpec(height=checkpoint.recipe.height, width=checkpoint.recipe.width)
    return {
        "attributes": json.dumps(list(checkpoint.schema.names)),
        "input": json.dumps(dataclasses.asdict(spec)),
        "licence": str(checkpoint.facts.get("licence", "not stated")),
    }
