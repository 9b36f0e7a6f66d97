"""`edgeattr convert`: other precisions and engines of a model, each proven before it is written."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeattr.cli.options import AllowMissing, ModelArgument, Quiet
from edgeattr.cli.person_detector import convert_detector, is_detector
from edgeattr.cli.progress import ProgressParts, note
from edgeattr.core.errors import UsageError, importing
from edgeattr.core.files import check_writable

if TYPE_CHECKING:
    from edgeattr.core.bundle import Bundle
    from edgeattr_convert.calibration import Calibration
    from edgeattr_convert.contract import Contract
    from edgeattr_convert.conversion import ConversionData
    from edgeattr_convert.steps import Step
    from edgeattr_train.data.annotations import AttributeDataset


@dataclass(frozen=True, kw_only=True)
class _Data:
    """Where images come from, as it was asked for."""

    calib: str | None  # data set, folder or video
    evaluation: str | None  # data set
    allow_missing: bool  # go on without images that are missing
    detector: str  # finds people in a video
    quiet: bool  # no progress


To = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="ENGINE",
        help="`onnx`, `openvino` or `tensorrt`; may be given several times. By default what this "
        "machine can run. Without a GPU, `tensorrt` prepares what the device builds its engine "
        "from.",
    ),
]
Calib = Annotated[
    str | None,
    typer.Option(
        "--calib",
        metavar="NAME:DIR|DIR|VIDEO",
        help="What INT8 is calibrated on: a data set (its train split), a folder of crops, or a "
        "video (people are found in it).",
    ),
]
Held = Annotated[
    str | None,
    typer.Option(
        "--eval",
        metavar="NAME:DIR",
        help="Labelled data (its val split) that variants are proven on; by default that of "
        "--calib.",
    ),
]
MaxDrop = Annotated[
    float, typer.Option("--max-drop", min=0.0, help="Largest loss of mA and of F1, points.")
]
MinSpeedup = Annotated[
    float,
    typer.Option(
        "--min-speedup", min=0.0, help="How many times as fast INT8 must be here; 0: any."
    ),
]
FinderName = Annotated[
    str,
    typer.Option(
        "--detector", metavar="NAME|PATH", help="Finds people in a --calib VIDEO; see `run`."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Bundle to write. By default a bundle is extended in place, and the default one "
        "under EDGEATTR_HOME, where `--model default` finds it.",
    ),
]


def convert(
    model: ModelArgument = "default",
    fp16: Annotated[bool, typer.Option("--fp16", help="Make the FP16 variants.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Make the INT8 variants.")] = False,
    to: To = None,
    calib: Calib = None,
    evaluation: Held = None,
    max_drop: MaxDrop = 0.5,
    min_speedup: MinSpeedup = 1.2,
    detector: FinderName = "auto",
    out: Out = None,
    allow_missing: AllowMissing = False,
    quiet: Quiet = False,
) -> None:
    """Add FP16 or INT8 variants to a bundle, or turn a training checkpoint into one.

    Each variant is proven on held data and timed beside its parent; what does not hold is not
    written (exit 3). A report lies beside the bundle.

    Examples: `edgeattr convert --fp16`, `edgeattr convert run/best.pt --out my.edgeattr`,
    `edgeattr convert --int8 --calib peta:/data/PETA`,
    `edgeattr convert person --int8 --calib camera.mp4 --eval mot:/data/MOT15/train`
    """
    from edgeattr.core.hub import resolve_bundle
    from edgeattr_convert.contract import Contract
    from edgeattr_convert.steps import steps_for

    precisions = [name for name, wanted in (("fp16", fp16), ("int8", int8)) if wanted]
    found = resolve_bundle(model)
    if is_detector(found):
        contract = Contract(max_drop=max_drop, min_speedup=min_speedup)
        convert_detector(
            found, _target(model, found, out), precisions, to or [], calib, evaluation, contract,
            quiet,
        )  # fmt: skip
        return
    data = _Data(
        calib=calib, evaluation=evaluation, allow_missing=allow_missing,
        detector=detector, quiet=quiet,
    )  # fmt: skip
    _check(model, precisions, to, data)
    steps = steps_for(to or _families(), precisions)
    target = _target(model, found, out)
    with _source(model, target) as bundle:
        if steps:
            contract = Contract(max_drop=max_drop, min_speedup=min_speedup)
            made = _convert(bundle, target, steps, data, contract)
        else:
            made = bundle.write(target, {})
    note(f"wrote {made.path}: {', '.join(made.variants)}", quiet=quiet)


def _convert(
    bundle: Bundle, target: Path, steps: list[Step], data: _Data, contract: Contract
) -> Bundle:
    from edgeattr_convert.conversion import convert as convert_bundle
    from edgeattr_convert.report import report_paths
    from edgeattr_runtimes import available

    with ProgressParts(quiet=data.quiet) as parts:
        made = convert_bundle(
            bundle,
            target,
            steps,
            _conversion_data(bundle, data, any(step.precision == "int8" for step in steps), parts),
            contract,
            tell=lambda text: note(text, quiet=data.quiet),
            tick=parts.tick,
        )
    note(f"report: {report_paths(target)[0]}", quiet=data.quiet)
    if any(step.family == "tensorrt" for step in steps) and "tensorrt" not in available():
        note(
            "prepared for TensorRT: it cannot run here, so the engine will be built on "
            "the device, when the bundle is first loaded there",
            quiet=data.quiet,
        )
    return made


def _check(model: str, precisions: list[str], to: list[str] | None, data: _Data) -> None:
    """Refuse what cannot be meant before anything long begins."""
    if not precisions and (to or data.calib or data.evaluation or not model.endswith(".pt")):
        raise UsageError("say what to make: --fp16, --int8 --calib NAME:DIR, or both")
    if "int8" in precisions and not data.calib:
        raise UsageError(
            "--int8 needs images to calibrate on and to prove itself on: pass --calib NAME:DIR, "
            "for example --calib peta:/data/PETA, or a folder of crops or a video with --eval "
            "NAME:DIR beside it; --fp16 needs none"
        )
    if data.calib and not data.evaluation:
        from edgeattr_train.data.datasets import is_spec

        if not is_spec(data.calib):
            raise UsageError(
                f"--calib {data.calib} has no labels to prove a variant on: pass --eval NAME:DIR "
                "beside it, for example --eval peta:/data/PETA"
            )


def _families() -> list[str]:
    """The families of variants that this machine can run."""
    from edgeattr_runtimes import available

    return ["onnx", *(name for name in ("openvino", "tensorrt") if name in available())]


def _target(model: str, found: Path, out: Path | None) -> Path:
    """Where to write what is made of a model, which was found at a path."""
    from edgeattr.core import hub

    shipped = model == "default" or found == hub.default_bundle().with_name("person.edgeattr")
    target = out
    if target is None and shipped:
        target = hub.home() / "bundles" / found.name
    if target is None:
        target = found.with_suffix(".edgeattr") if found.suffix == ".pt" else found
    if target.suffix != ".edgeattr":
        raise UsageError(f"--out {target}: a bundle's name ends in .edgeattr")
    if target.is_file():
        raise UsageError(f"{target} is a packed bundle; give --out another name to write to")
    check_writable(target, folder=True, hint="give --out another name to write to")
    return target


@contextlib.contextmanager
def _source(model: str, target: Path) -> Iterator[Bundle]:
    """The bundle to convert; a checkpoint is first made one, in a folder for the time being."""
    from edgeattr.core import hub
    from edgeattr.core.bundle import Bundle

    if not model.endswith(".pt"):
        yield Bundle.read(hub.resolve_bundle(model))
        return
    with importing("torch", extra="train", purpose="read a checkpoint"):
        from edgeattr_train.checkpoint import load_checkpoint
    from edgeattr_train.export import bundle_from_checkpoint

    checkpoint = load_checkpoint(Path(model))
    with tempfile.TemporaryDirectory(prefix="edgeattr-") as folder:
        yield bundle_from_checkpoint(checkpoint, Path(folder) / target.name, target.stem)


def _conversion_data(
    bundle: Bundle, data: _Data, calibrate: bool, parts: ProgressParts
) -> ConversionData:
    """The images to calibrate on, checked, and those to prove variants on."""
    from edgeattr_convert.conversion import ConversionData

    held = _held(data)
    if data.calib is None or not calibrate:
        return ConversionData(held=held)
    calibration = _calibration(bundle, data.calib, data, parts)
    for warning in calibration.warnings:
        note(f"warning: {warning}")
    return ConversionData(calibration=calibration, held=held)


def _held(data: _Data) -> AttributeDataset | None:
    from edgeattr_train.data.datasets import open_dataset

    spec = data.evaluation or data.calib
    if spec is None:
        return None
    return open_dataset(spec, "val", allow_missing=data.allow_missing)


def _calibration(bundle: Bundle, calib: str, data: _Data, parts: ProgressParts) -> Calibration:
    from edgeattr_convert.calibration import (
        calibration_from_dataset,
        calibration_from_folder,
        calibration_from_video,
    )
    from edgeattr_convert.calibration_checks import checked
    from edgeattr_train.data.datasets import is_spec, open_dataset

    size = bundle.input.height, bundle.input.width
    if is_spec(calib):
        train = open_dataset(calib, "train", allow_missing=data.allow_missing)
        found = calibration_from_dataset(train, *size)
    elif Path(calib).is_file():
        from edgeattr.cli.person_detector import open_detector

        detector = open_detector(data.detector, data.quiet)
        found = calibration_from_video(Path(calib), detector, *size, tick=parts.tick)
    else:
        found = calibration_from_folder(Path(calib), *size)
    return checked(found, bundle)
