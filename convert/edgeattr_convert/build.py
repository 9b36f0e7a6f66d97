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
from edgeattr.crops import resize_crop
from edgeattr.errors import ContractNotMet, RuntimeFailure
from edgeattr.files import sha256_of
from edgeattr.model import AttributeModel
from edgeattr_convert.accuracy import evaluate_model, metrics_json
from edgeattr_convert.calibration import calibration_crops, digest, sample
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
        for more in _REPAIRS:
            if more and not quantizer.give_way(more):
                break
            quantizer.write(file)
            draft = _draft(bundle, file, {**facts, "ways": list(quantizer.notes)})
            trial = Path(folder) / "trial.edgeattr"
            work = bundle.with_variant(draft).write(trial, {draft.file: file})
            before, after, flips = _compare(work, held)
            losses = {  # mA is undefined where no attribute has both classes
                key: before[key] - after[key] for key in ("mA", "f1") if before[key] is not None
            }
            verdict = _verdict(losses, flips, options)
            report(verdict)
            if max(losses.values()) <= options.max_drop:
                metrics = {**after, "flips_percent": round(flips, 4)}
                proven = dataclasses.replace(draft, metrics=metrics, verdict=verdict)
                parent = dataclasses.replace(bundle.variant("onnx-fp32"), metrics=before)
                done = bundle.with_variant(parent).with_variant(proven)
                return done.write(directory, {draft.file: file})
        worst = sorted(quantizer.layers, key=lambda layer: -layer.error)[:3]
        raise ContractNotMet(
            f"INT8 loses too much on {held.name} {held.split}: {verdict}. It was not written; "
            f"the layers that hurt most: {', '.join(layer.layer for layer in worst)}. Calibrate on "
            "more images like those of your cameras (--calib), allow more (--max-drop), or use "
            "--fp16"
        )


def _verdict(losses: dict[str, float], flips: float, options: Int8Options) -> str:
    changes = ", ".join(f"{key} {-loss:+.2f}" for key, loss in losses.items())
    return f"{changes}, {flips:.2f} % of decisions flip; at most {options.max_drop:g} may be lost"


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
    judged = held.take(sample(held.labels, _JUDGED, options.seed))
    others = np.stack([resize_crop(judged.read(place), *size) for place in range(len(judged))])
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


def _compare(work: Bundle, held: AttributeDataset) -> tuple[dict[str, Any], dict[str, Any], float]:
    found = []
    for precision in ("fp32", "int8"):
        variant = work.variant(f"onnx-{precision}")
        with AttributeModel(work, OnnxEngine(work, variant)) as model:
            found.append(evaluate_model(model, held))
    facts = {"dataset": held.name, "split": held.split, "images": len(held)}
    before, after = ({**facts, **metrics_json(entry.scores)} for entry in found)
    flips = float(np.mean(found[0].decisions != found[1].decisions)) * _PERCENT
    return before, after, flips


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
