"""Bundles: the first one from a checkpoint, further variants from its float32 ONNX."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeattr.bundle import Bundle, Golden, InputSpec, Variant, variant_file
from edgeattr.errors import ContractNotMet, RuntimeFailure
from edgeattr.files import sha256_of
from edgeattr.model import AttributeModel
from edgeattr_convert.accuracy import Evaluation, evaluate_model, metrics_json
from edgeattr_convert.calibration import calibration_crops, digest, sampled_crops
from edgeattr_convert.fp16 import fp16_from_onnx
from edgeattr_convert.golden import golden_crops
from edgeattr_convert.int8 import Quantizer
from edgeattr_runtimes.onnx_engine import OnnxEngine
from edgeattr_train.calibrate import DecisionFit
from edgeattr_train.datasets import AttributeDataset

if TYPE_CHECKING:
    from edgeattr_train.checkpoint import Checkpoint
    from edgeattr_train.recipe import Recipe

__all__ = ["Int8Options", "add_fp16", "add_int8", "bundle_from_checkpoint"]

Report = Callable[[str], None]

_FP16_TOLERANCE = 0.1  # of a logit: half precision keeps 11 bits, over some 60 layers
_TOLERANCE_FACTOR = 2.0  # INT8 kernels differ between devices: twice what was measured here
_TOLERANCE_FLOOR = 0.5  # of an INT8 logit
_PERCENT = 100
_JUDGED = 256  # held crops on which ways to quantize are compared
_REPAIRS = (0, 1, 2, 4, 8)  # layers that go back to float, before each trial


@dataclass(frozen=True, kw_only=True)
class Int8Options:
    """What INT8 is calibrated with and held to."""

    images: int = 512  # calibration crops
    max_drop: float = 0.5  # largest loss of mA and of F1, points
    seed: int = 0  # of the choice of calibration crops


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
        logits, parity = onnx_from_torch(checkpoint.model, file, crops)
        variant = Variant(
            engine="onnx",
            precision="fp32",
            **_named(file),
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


def add_fp16(bundle: Bundle, directory: Path, report: Report = lambda text: None) -> Bundle:
    """Add ``onnx-fp16``, proven by parity on the golden crops.

    Args:
        bundle: has ``onnx-fp32``.
        directory: where the bundle with the new variant is written.
        report: told what is being done.

    Raises:
        ContractNotMet: half precision changes the logits too much; nothing is written.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = _extract(bundle, Path(folder))
        file = Path(folder) / "fp16.onnx"
        report("float16 weights and arithmetic")
        fp16_from_onnx(source, file)
        parity = _parity(bundle, file, "fp16")
        report(f"parity: logits off by at most {parity:.4f}, {_FP16_TOLERANCE} is allowed")
        if not parity <= _FP16_TOLERANCE:
            raise ContractNotMet(
                f"FP16 changes the logits of {bundle.name} by {parity:.3g}, more than "
                f"{_FP16_TOLERANCE}; nothing was written. Keep to FP32, or use INT8"
            )
        variant = Variant(
            engine="onnx",
            precision="fp16",
            **_named(file),
            parent="onnx-fp32",
            parity=parity,
            tolerance=_FP16_TOLERANCE,
            verdict="parity",
        )
        return bundle.with_variant(variant).write(directory, {variant.file: file})


def add_int8(
    bundle: Bundle,
    directory: Path,
    calibration: AttributeDataset,
    held: AttributeDataset,
    options: Int8Options,
    report: Report = lambda text: None,
) -> Bundle:
    """Add ``onnx-int8``, calibrated on one set and proven on another.

    Args:
        bundle: has ``onnx-fp32``.
        directory: where the bundle with the new variant is written.
        calibration: images whose activations set the ranges.
        held: images, not seen in calibration, on which accuracy is compared.
        options: how, and how much may be lost.
        report: told what is being done.

    Raises:
        ContractNotMet: more accuracy is lost than allowed; nothing is written.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "int8.onnx"
        quantizer, facts = _quantizer(bundle, Path(folder), calibration, held, options, report)
        report(f"accuracy on {len(held)} images of {held.name} {held.split}")
        before = _evaluate(bundle, "onnx-fp32", held)
        for more in _REPAIRS:
            if more and not quantizer.give_way(more):
                break
            quantizer.write(file)
            draft = _draft(bundle, file, {**facts, "ways": list(quantizer.notes)})
            trial = Path(folder) / "trial.edgeattr"
            work = bundle.with_variant(draft).write(trial, {draft.file: file})
            after = _evaluate(work, "onnx-int8", held)
            change = _Change.between(before, after, options.max_drop)
            report(change.verdict)
            if change.allowed:
                metrics = {**_facts(after, held), "flips_percent": round(change.flips, 4)}
                proven = dataclasses.replace(draft, metrics=metrics, verdict=change.verdict)
                parent = bundle.variant("onnx-fp32")
                parent = dataclasses.replace(parent, metrics=_facts(before, held))
                done = bundle.with_variant(parent).with_variant(proven)
                return done.write(directory, {draft.file: file})
        raise ContractNotMet(_refusal(quantizer, held, change))


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What INT8 does to the answers on the held data."""

    losses: dict[str, float]  # of mA and of F1, points; mA only where it is defined
    flips: float  # share of decisions that differ, percent
    max_drop: float  # points

    @classmethod
    def between(cls, before: Evaluation, after: Evaluation, max_drop: float) -> _Change:
        old, new = metrics_json(before.scores), metrics_json(after.scores)
        flips = float(np.mean(before.decisions != after.decisions)) * _PERCENT
        losses = {key: old[key] - new[key] for key in ("mA", "f1") if old[key] is not None}
        return cls(losses=losses, flips=flips, max_drop=max_drop)

    @property
    def allowed(self) -> bool:
        return max(self.losses.values()) <= self.max_drop

    @property
    def verdict(self) -> str:
        changes = ", ".join(f"{key} {-loss:+.2f}" for key, loss in self.losses.items())
        return (
            f"{changes}, {self.flips:.2f} % of decisions flip; at most {self.max_drop:g} may be "
            "lost"
        )


def _refusal(quantizer: Quantizer, held: AttributeDataset, change: _Change) -> str:
    worst = sorted(quantizer.layers, key=lambda layer: -layer.error)[:3]
    return (
        f"INT8 loses too much on {held.name} {held.split}: {change.verdict}. It was not written; "
        f"the layers that hurt most: {', '.join(layer.layer for layer in worst)}. Calibrate on "
        "more images like those of your cameras (--calib), allow more (--max-drop), or use --fp16"
    )


def _quantizer(
    bundle: Bundle,
    folder: Path,
    calibration: AttributeDataset,
    held: AttributeDataset,
    options: Int8Options,
    report: Report,
) -> tuple[Quantizer, dict[str, Any]]:
    """The best INT8 form of the model, and what it was calibrated on."""
    size = bundle.input.height, bundle.input.width
    crops = calibration_crops(calibration, *size, count=options.images, seed=options.seed)
    others = sampled_crops(held, *size, count=_JUDGED, seed=options.seed)
    report(f"calibrating on {len(crops)} crops of {calibration.name} {calibration.split}")
    quantizer = Quantizer(_extract(bundle, folder), crops, others, tell=report)
    quantizer.search()
    facts = {
        "dataset": calibration.name,
        "split": calibration.split,
        "images": len(crops),
        "sha256": digest(crops),
    }
    return quantizer, facts


def _draft(bundle: Bundle, file: Path, calibration: dict[str, Any]) -> Variant:
    """The INT8 variant, its accuracy not yet known."""
    parity = _parity(bundle, file, "int8")
    return Variant(
        engine="onnx",
        precision="int8",
        **_named(file),
        parent="onnx-fp32",
        parity=parity,
        tolerance=max(_TOLERANCE_FLOOR, _TOLERANCE_FACTOR * parity),
        calibration=calibration,
    )


def _evaluate(bundle: Bundle, variant: str, held: AttributeDataset) -> Evaluation:
    with AttributeModel(bundle, OnnxEngine(bundle, bundle.variant(variant))) as model:
        return evaluate_model(model, held)


def _facts(found: Evaluation, held: AttributeDataset) -> dict[str, Any]:
    """A variant's metrics, with what they were measured on."""
    about = {"dataset": held.name, "split": held.split, "images": len(held)}
    return {**about, **metrics_json(found.scores)}


def _named(file: Path) -> dict[str, Any]:
    """The fields of a variant that name its content; the file is called after its precision."""
    digest = sha256_of(file)
    return {"file": variant_file(file.stem, digest), "sha256": digest}


def _extract(bundle: Bundle, folder: Path) -> Path:
    source = folder / "source.onnx"
    source.write_bytes(bundle.read_file(bundle.variant("onnx-fp32")))
    return source


def _parity(bundle: Bundle, file: Path, precision: str) -> float:
    """Largest difference from the reference on the golden crops."""
    from edgeattr_runtimes.onnx_engine import open_session

    session = open_session(str(file))
    found = session.run(["logits"], {"crops": bundle.golden.crops})[0]
    if not np.isfinite(found).all():
        raise RuntimeFailure(f"the {precision} model gives NaN or infinite logits")
    return float(np.abs(found - bundle.golden.logits).max())
