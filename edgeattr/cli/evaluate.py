"""`edgeattr eval`: the metrics of the field on a labelled data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeattr.cli.options import (
    AllowMissing,
    Data,
    DetectorFormat,
    Device,
    ModelArgument,
    Precision,
    Quiet,
    Runtime,
)
from edgeattr.cli.progress import ProgressLine, print_figures
from edgeattr.core.counted import counted
from edgeattr.core.errors import UsageError
from edgeattr.core.files import check_writable

if TYPE_CHECKING:
    from edgeattr.model import AttributeModel
    from edgeattr.video.detectors import Detector
    from edgeattr_train.data.annotations import AttributeDataset
    from edgeattr_train.data.boxes import MotSequence

_COLUMNS = {
    "mA": "mA", "accuracy": "acc", "precision_ex": "prec", "recall_ex": "rec", "f1": "F1",
    "mAP": "mAP", "auc": "AUC",
}  # fmt: skip
_BOX_COLUMNS = {"AP50": "AP50", "recall": "recall", "box_precision": "prec"}


def evaluate(
    data: Data,
    model: ModelArgument = "default",
    split: Annotated[
        str,
        typer.Option(
            help="`train`, `val` or `test`; of PETA also `val_unseen`: val without the persons "
            "that train shows."
        ),
    ] = "val",
    allow_missing: AllowMissing = False,
    against: Annotated[
        str | None, typer.Option(metavar="M2", help="A second model, for comparison.")
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the figures; - prints them."),
    ] = None,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    device: Device = None,
    detector_format: DetectorFormat = None,
    quiet: Quiet = False,
) -> None:
    """Measure a model: mA, example-based accuracy, precision, recall and F1, mAP, calibration.

    Where the data set labels other attributes than the model reads, those are measured that both
    have, under one name or another; the rest counts nowhere.

    Of a person detector (a bundle, a known name or a file) on `mot:DIR` or `coco:DIR`: AP50, recall
    and precision of boxes at an overlap of 0.5; on `mot:` also how people are followed: MOTA, IDF1,
    switches of numbers, tracks and persons, of all sequences and of each.

    Example: `edgeattr eval default --data peta:/data/PETA --split val --precision int8`

    Example: `edgeattr eval person --data mot:/data/MOT15/train`
    """
    import edgeattr
    from edgeattr.core.bundle import Bundle
    from edgeattr.core.hub import resolve_bundle
    from edgeattr_train.data.boxes import is_box_spec
    from edgeattr_train.data.datasets import open_dataset

    if json_file and str(json_file) != "-":
        check_writable(json_file)
    names = [model, against] if against else [model]
    if is_box_spec(data):
        _evaluate_detectors(names, data, runtime, precision, detector_format, json_file, quiet)
        return
    if detector_format:
        raise UsageError("--detector-format is of detectors: pass --data mot:DIR or coco:DIR")
    dataset = open_dataset(data, split, allow_missing=allow_missing)
    for name in names:
        if not name.endswith(".pt"):
            Bundle.read(resolve_bundle(name))  # refuse a bad one before measuring the other
    results = []
    for name in names:
        with edgeattr.load(name, runtime=runtime, precision=precision, device=device) as loaded:
            results.append(_measure(name, loaded, dataset, quiet))
    _print(results, json_file, quiet)


def _evaluate_detectors(
    names: list[str],
    spec: str,
    runtime: str,
    precision: str,
    form: str | None,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Measure person detectors on frames with boxes."""
    from edgeattr.core.detection_bundle import PERSON_SCORE
    from edgeattr.video.detectors import open_detector
    from edgeattr_convert.detection_accuracy import LEAST_SCORE, measure_detector
    from edgeattr_train.data.boxes import open_boxes

    data, results = open_boxes(spec), []
    for given in names:
        name = "person" if given == "default" else given  # the model that M is where it is left out
        detector = open_detector(
            name,
            engine=runtime,
            precision=precision,
            form=form,
            min_score=LEAST_SCORE,
        )
        with detector:
            with ProgressLine(f"evaluating {name}", data.frames, quiet=quiet) as bar:
                found = measure_detector(detector, data, PERSON_SCORE, bar.update)
            tracking = _measure_tracking(detector, data.sequences, quiet) if data.sequences else {}
        results.append(
            {
                "dataset": data.name,
                "images": data.frames,
                "model": name,
                "runtime": detector.engine,
                "precision": detector.precision,
                **found.to_json(),
                "images_per_second": round(found.images_per_second, 1),
                **tracking,
            }
        )
    _print(results, json_file, quiet)


def _measure_tracking(
    detector: Detector, sequences: Sequence[MotSequence], quiet: bool
) -> dict[str, Any]:
    """How the default model and a detector follow people."""
    import edgeattr
    from edgeattr_convert.tracking_accuracy import measure_tracking

    with (
        edgeattr.load() as model,
        ProgressLine("following people", len(sequences), quiet=quiet) as bar,
    ):
        return measure_tracking(model, detector, sequences, bar.update)


def _measure(
    name: str, model: AttributeModel, data: AttributeDataset, quiet: bool
) -> dict[str, Any]:
    """The figures under the names of the contract."""
    from edgeattr_convert.accuracy import evaluate_model, metrics_json, number

    about = model.describe()
    with ProgressLine(f"evaluating {about.precision}", len(data), quiet=quiet) as bar:
        found = evaluate_model(model, data, progress=lambda done, total: bar.update(done))
    scores = found.scores
    return {
        "dataset": data.name,
        "split": data.split,
        "images": len(data),
        "model": name,
        "runtime": about.engine,
        "precision": about.precision,
        **metrics_json(scores),
        "ece": number(found.ece),
        "per_attribute": [
            {
                "name": attribute,
                "mA": number(float(scores.per_attribute_mA[index])),
                "ap": number(float(scores.per_attribute_ap[index])),
                "auc": number(float(scores.per_attribute_auc[index])),
                "positives": int(scores.positives[index]),
            }
            for index, attribute in enumerate(model.bundle.schema.names)
            if scores.known[index]
        ],
        "images_per_second": round(found.images_per_second, 1),
    }


def _print(results: list[dict[str, Any]], json_file: Path | None, quiet: bool) -> None:
    figures = results[0] if len(results) == 1 else results
    print_figures(figures, _table(results), json_file, quiet=quiet)


def _table(results: list[dict[str, Any]]) -> str:
    """One line for each model, and below it how a detector's people are followed."""
    first = results[0]
    columns = _BOX_COLUMNS if "AP50" in first else _COLUMNS
    head = " ".join(f"{title:>6}" for title in columns.values())
    lines = [
        f"{' '.join(first[key] for key in ('dataset', 'split') if key in first)}, "
        f"{counted(first['images'], 'image')}",
        f"{'model':<24} {'precision':<9} {head} {'images/s':>9}",
    ]
    for entry in results:
        figures = " ".join(
            f"{entry[key]:6.2f}" if entry[key] is not None else "     -" for key in columns
        )
        lines.append(
            f"{entry['model'][-24:]:<24} {entry['precision']:<9} {figures} "
            f"{entry['images_per_second']:9.0f}"
        )
        if "MOTA" in entry:
            each = entry["sequences"] if len(entry["sequences"]) > 1 else []
            lines += [
                f"  {row.get('name', 'followed')}: MOTA {row['MOTA']:.2f}, IDF1 {row['IDF1']:.2f}, "
                f"{counted(row['switches'], 'switch', 'switches')}, "
                f"{counted(row['tracks'], 'track')} of {counted(row['persons'], 'person')}"
                for row in (*each, entry)
            ]
    return "\n".join(lines)
