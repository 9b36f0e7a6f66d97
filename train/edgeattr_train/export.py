"""A bundle from a checkpoint: its first variant, ``onnx-fp32``."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from edgeattr.core.bundle import Bundle, Golden, InputSpec, Variant, variant_file
from edgeattr.core.files import sha256_of
from edgeattr_train.description import describe
from edgeattr_train.golden import golden_crops

if TYPE_CHECKING:
    from edgeattr_train.checkpoint import Checkpoint

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


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """What those need to know who have the ONNX file and nothing else of the bundle."""
    spec = InputSpec(height=checkpoint.recipe.height, width=checkpoint.recipe.width)
    return {
        "attributes": json.dumps(list(checkpoint.schema.names)),
        "input": json.dumps(dataclasses.asdict(spec)),
        "licence": str(checkpoint.facts.get("licence", "not stated")),
    }
