"""`edgeattr convert`: other precisions of a model, each proven before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeattr.cli.options import AllowMissing, ModelArgument, Quiet
from edgeattr.cli.progress import note
from edgeattr.errors import MissingDependency, UsageError

if TYPE_CHECKING:
    from typing import TypeAlias

    from edgeattr.bundle import Bundle
    from edgeattr_train.datasets import AttributeDataset

    Parts: TypeAlias = tuple[AttributeDataset, AttributeDataset]

__all__ = ["convert"]


def convert(
    model: ModelArgument = "default",
    fp16: Annotated[bool, typer.Option("--fp16", help="Make the FP16 variant.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Make the INT8 variant.")] = False,
    to: Annotated[list[str] | None, typer.Option(help="`onnx`.")] = None,
    calib: Annotated[
        str | None, typer.Option(metavar="NAME:DIR", help="Data that INT8 is calibrated on.")
    ] = None,
    max_drop: Annotated[
        float, typer.Option(min=0.0, help="Largest loss of mA and of F1 by INT8, points.")
    ] = 0.5,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Bundle to write. By default a bundle is extended in place, and the default one "
            "under EDGEATTR_HOME, where `--model default` finds it."
        ),
    ] = None,
    allow_missing: AllowMissing = False,
    quiet: Quiet = False,
) -> None:
    """Add FP16 or INT8 variants to a bundle, or turn a training checkpoint into one.

    Examples: `edgeattr convert --fp16`, `edgeattr convert run/best.pt --out my.edgeattr`,
    `edgeattr convert --int8 --calib peta:/data/PETA`
    """
    from edgeattr import hub
    from edgeattr.bundle import Bundle

    for wanted in to or []:
        if wanted != "onnx":
            raise UsageError(f"--to {wanted}: this version converts to onnx only")
    if int8 and not calib:
        raise UsageError(
            "--int8 needs images to calibrate on and to prove itself on: pass --calib NAME:DIR, "
            "for example --calib peta:/data/PETA; --fp16 needs none"
        )
    checkpoint = Path(model) if model.endswith(".pt") else None
    if not (fp16 or int8 or checkpoint):
        raise UsageError("say what to make: --fp16, --int8 --calib NAME:DIR, or both")
    target = out or _target(model)
    if target.suffix != ".edgeattr":
        raise UsageError(f"--out {target}: a bundle's name ends in .edgeattr")
    if target.is_file():
        raise UsageError(f"{target} is a packed bundle; give --out another name to write to")
    if checkpoint:
        bundle = _from_checkpoint(checkpoint, target)
    else:
        bundle = Bundle.read(hub.resolve_bundle(model))
    parts = _calibration(calib, allow_missing) if int8 and calib else None
    bundle = _add(bundle, target, fp16, parts, max_drop, quiet)
    note(f"wrote {bundle.path}: {', '.join(bundle.variants)}", quiet=quiet)


def _target(model: str) -> Path:
    from edgeattr import hub

    if model == "default":
        return hub.home() / "bundles" / "default.edgeattr"
    path = Path(model)
    return path.with_suffix(".edgeattr") if path.suffix == ".pt" else path


def _from_checkpoint(path: Path, target: Path) -> Bundle:
    try:
        from edgeattr_train.checkpoint import load_checkpoint
    except ImportError as error:
        raise MissingDependency(
            error.name or "torch", extra="train", purpose="read a checkpoint"
        ) from error
    from edgeattr_convert.build import bundle_from_checkpoint

    return bundle_from_checkpoint(load_checkpoint(path), target, target.stem)


def _calibration(spec: str, allow_missing: bool) -> Parts:
    """What INT8 is calibrated on, and what it is proven on."""
    from edgeattr_train.datasets import open_dataset

    return (
        open_dataset(spec, "train", allow_missing=allow_missing),
        open_dataset(spec, "val", allow_missing=allow_missing),
    )


def _add(
    bundle: Bundle, target: Path, fp16: bool, parts: Parts | None, max_drop: float, quiet: bool
) -> Bundle:
    from edgeattr_convert.build import Int8Options, add_fp16, add_int8

    def report(text: str) -> None:
        note(text, quiet=quiet)

    if fp16:
        bundle = add_fp16(bundle, target, report)
    if parts:
        bundle = add_int8(bundle, target, *parts, Int8Options(max_drop=max_drop), report)
    return bundle
