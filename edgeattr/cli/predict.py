"""`edgeattr predict`: attributes of people in images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edgeattr.cli.options import Device, Model, Precision, Runtime, Sensitive
from edgeattr.cli.progress import note
from edgeattr.errors import InputError

__all__ = ["predict"]


def predict(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Crops: one person each.")
    ],
    model: Model = "default",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    device: Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per image.")] = False,
    include_sensitive: Sensitive = False,
) -> None:
    """Say what the person in each image wears and carries.

    Example: `edgeattr predict person.jpg --json`
    """
    import edgeattr
    from edgeattr.crops import read_image

    good, crops, failed = [], [], False
    for path in images:
        try:
            crops.append(read_image(path))
            good.append(path)
        except InputError as error:
            failed = True
            note(f"edgeattr: {error}")
    with edgeattr.load(
        model,
        runtime=runtime,
        precision=precision,
        device=device,
        include_sensitive=include_sensitive,
    ) as loaded:
        for path, prediction in zip(good, loaded.predict(crops), strict=True):
            if as_json:
                record = {"image": str(path), "attributes": prediction.to_json()}
                typer.echo(json.dumps(record, ensure_ascii=False))
            else:
                typer.echo(f"{path}: {', '.join(prediction.present) or 'nothing recognised'}")
    if failed:
        raise typer.Exit(1)
