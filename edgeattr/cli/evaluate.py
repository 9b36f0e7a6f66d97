"""`edgeattr eval`: the metrics of the field on a labelled data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeattr.cli.options import (
    AllowMissing,
    Data,
    Device,
    ModelArgument,
    Precision,
    Quiet,
    Runtime,
)
from edgeattr.cli.progress import ProgressLine

if TYPE_CHECKING:
    from edgeattr.model import AttributeModel
    from edgeattr_train.data.datasets import AttributeDataset

__all__ = ["evaluate"]


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
    quiet: Quiet = False,
) -> None:
    """Measure a model: mA, example-based accuracy, precision, recall and F1, mAP, calibration.

    Where the data set labels other attributes than the model reads, those are measured that both
    have, under one name or another; the rest counts nowhere.

    Example: `edgeattr eval default --data peta:/data/PETA --split val --precision int8`
    """
    import edgeattr
    from edgeattr.core.bundle import Bundle
    from edgeattr.core.hub import resolve_bundle
    from edgeattr_train.data.datasets import open_dataset

    dataset = open_dataset(data, split, allow_missing=allow_missing)
    names = [model, against] if against else [model]
    for name in names:
        if name.endswith(".pt"):
            continue
        Bundle.read(resolve_bundle(name))  # refuse a bad one before measuring the other
    results = []
    for name in names:
        with edgeattr.load(name, runtime=runtime, precision=precision, device=device) as loaded:
            results.append(_measure(name, loaded, dataset, quiet))
    _give(results, json_file, quiet)


def _give(results: list[dict[str, Any]], json_file: Path | None, quiet: bool) -> None:
    """Print the table, or write JSON."""
    from edgeattr.core.files import write_atomically

    if json_file is None:
        typer.echo(_table(results))
        return
    text = json.dumps(results[0] if len(results) == 1 else results, indent=1) + "\n"
    if str(json_file) == "-":
        typer.echo(text, nl=False)
    else:
        write_atomically(json_file, text)
        if not quiet:
            typer.echo(_table(results))


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


def _table(results: list[dict[str, Any]]) -> str:
    head = f"{'model':<24} {'precision':<9} {'mA':>6} {'acc':>6} {'prec':>6} {'rec':>6} {'F1':>6}"
    lines = [
        f"{results[0]['dataset']} {results[0]['split']}, {results[0]['images']} images",
        f"{head} {'mAP':>6} {'AUC':>6} {'images/s':>9}",
    ]
    for entry in results:
        figures = " ".join(
            f"{entry[key]:6.2f}" if entry[key] is not None else "     -"
            for key in ("mA", "accuracy", "precision_ex", "recall_ex", "f1", "mAP", "auc")
        )
        lines.append(
            f"{entry['model'][-24:]:<24} {entry['precision']:<9} {figures} "
            f"{entry['images_per_second']:9.0f}"
        )
    return "\n".join(lines)
