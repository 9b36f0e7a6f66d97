"""`edgeattr predict`: attributes of people in images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeattr.cli.options import Device, Model, Precision, Runtime, Sensitive
from edgeattr.cli.progress import note
from edgeattr.core.errors import InputError, UsageError
from edgeattr.core.label_ranking import LabelRanking

if TYPE_CHECKING:
    from edgeattr.core.crops import Image
    from edgeattr.core.prediction import Prediction
    from edgeattr.model import AttributeModel

_EXPLAINED_AT_ONCE = 8  # images whose masks are held in memory


Explain = Annotated[
    Path | None,
    typer.Option(
        "--explain",
        metavar="DIR",
        help="Show there where the model looked: for each image NAME.explain.html and the masks "
        "in NAME.explain.json. The page shows the person.",
    ),
]
ExplainAll = Annotated[
    bool, typer.Option("--explain-all", help="Also for attributes that are answered no.")
]


def predict(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Crops: one person each.")
    ],
    model: Model = "default",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    device: Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per image.")] = False,
    explain: Explain = None,
    explain_all: ExplainAll = False,
    include_sensitive: Sensitive = False,
) -> None:
    """Say what the person in each image wears and carries.

    Example: `edgeattr predict person.jpg --json`
    """
    import edgeattr

    if explain_all and explain is None:
        raise UsageError("--explain-all counts for --explain DIR, which is not given")
    good, crops = _read(images)
    with edgeattr.load(
        model,
        runtime=runtime,
        precision=precision,
        device=device,
        include_sensitive=include_sensitive,
    ) as loaded:
        predictions: Iterable[Prediction]
        if explain is None:
            predictions = loaded.predict(crops)
        else:
            predictions = _explained(loaded, good, crops, explain, explain_all)
        ranking = LabelRanking.of_bundle(loaded.bundle)
        for path, prediction in zip(good, predictions, strict=True):
            if as_json:
                record = {
                    "image": str(path),
                    "person": prediction.is_person,
                    "attributes": prediction.to_json(),
                    "colours": {
                        thing: colour.to_json() for thing, colour in prediction.colours.items()
                    },
                    "visibility": {part: round(p, 4) for part, p in prediction.visibility.items()},
                }
                typer.echo(json.dumps(record, ensure_ascii=False))
            else:
                typer.echo(f"{path}: {described(prediction, ranking)}")
    if len(good) < len(images):
        raise typer.Exit(1)


def described(prediction: Prediction, ranking: LabelRanking) -> str:
    if not prediction.is_person:
        return "no person to be seen"
    return ", ".join(ranking.texts(prediction.attributes)) or "nothing recognised"


def _read(images: list[Path]) -> tuple[list[Path], list[Image]]:
    """The images that can be read; a word about each that cannot."""
    from edgeattr.core.crops import read_image

    good, crops = [], []
    for path in images:
        try:
            crops.append(read_image(path))
            good.append(path)
        except InputError as error:
            note(f"edgeattr: {error}")
    return good, crops


def _explained(
    model: AttributeModel, paths: list[Path], crops: list[Image], folder: Path, all_attributes: bool
) -> Iterator[Prediction]:
    """Answers, each once the evidence for it is in the folder."""
    from edgeattr.explain import ExplanationFiles

    files = ExplanationFiles(folder, model.explained_by)
    for start in range(0, len(crops), _EXPLAINED_AT_ONCE):
        part = slice(start, start + _EXPLAINED_AT_ONCE)
        for path, explanation in zip(paths[part], model.explain(crops[part]), strict=True):
            files.write(path, explanation, all_attributes=all_attributes)
            yield explanation.prediction
