"""`edgeattr models`: what is here, what can be had, and whether it is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeattr.cli.options import known_names
from edgeattr.cli.progress import ProgressLine, note
from edgeattr.core.errors import BundleError

app = typer.Typer(help="Bundles and detectors: list, download, verify.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """Bundles and detectors. Example: `edgeattr models pull yolox_nano`"""
    if context.invoked_subcommand is None:
        show()


@app.command("list")
def show() -> None:
    """List the shipped models and the known detectors. Example: `edgeattr models list`"""
    from edgeattr.core import hub

    width = max(map(len, hub.KNOWN))
    typer.echo(f"{'default':<{width}}  {hub.resolve_bundle(None)}")
    typer.echo(f"{'person':<{width}}  {hub.person_bundle()}")
    for name, model in hub.KNOWN.items():
        where = hub.cached(name) or "not downloaded"
        size = f"{model.bytes / 2**20:5.1f} MiB"
        found = "; AP50 {AP50:g}, recall {recall:g}, precision {box_precision:g} on TUD-Stadtmitte"
        measured = found.format(**model.measured) if model.measured else ""
        typer.echo(f"{name:<{width}}  {size}  {model.licence}  {model.summary}{measured}; {where}")


@app.command("pull")
def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="A name that `edgeattr models list` shows.", autocompletion=known_names
        ),
    ],
) -> None:
    """Download a detector.

    Example: `edgeattr models pull pedestrian-detection-adas-0002`
    """
    from edgeattr.core import hub

    with ProgressLine(f"downloading {name}") as bar:
        path = hub.fetch(name, progress=lambda done, total: bar.update(done, total=total))
    typer.echo(path)


@app.command("verify")
def verify() -> None:
    """Check the checksums of all that is here. Example: `edgeattr models verify`"""
    from edgeattr.core import hub
    from edgeattr.core.bundle import Bundle
    from edgeattr.core.bundle_files import BundleFiles
    from edgeattr.core.detection_bundle import DetectionBundle

    broken = False
    kinds: dict[str, type[BundleFiles]] = {"default": Bundle, "person": DetectionBundle}
    for name, kind in kinds.items():
        try:
            bundle = kind.read(hub.resolve_bundle(name))
            bundle.verify()
            typer.echo(f"ok       {name}: {', '.join(bundle.variants)}")
        except BundleError as error:
            broken = True
            note(f"DAMAGED  {name}: {error}")
    for name, model in hub.KNOWN.items():
        there = [path for path in hub.paths_of(model) if path.exists()]
        if whole := hub.cached(name):
            typer.echo(f"ok       {name}: {whole}")
        elif there:
            broken = True
            state = "DAMAGED" if len(there) == len(model.files) else "PARTIAL"
            note(f"{state}  {name}: {there[0]}; get it again with: edgeattr models pull {name}")
    if broken:
        raise typer.Exit(1)
