"""`edgeattr models`: what is here, what can be had, and whether it is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeattr.cli.progress import ProgressLine, note
from edgeattr.errors import BundleError

__all__ = ["app"]

app = typer.Typer(help="Bundles and detectors: list, download, verify.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """Bundles and detectors. Example: `edgeattr models pull yolox_nano`"""
    if context.invoked_subcommand is None:
        show()


@app.command("list")
def show() -> None:
    """List the default model and the known detectors. Example: `edgeattr models list`"""
    from edgeattr import hub

    typer.echo(f"default      {hub.resolve_bundle(None)}")
    for name, remote in hub.KNOWN.items():
        where = hub.cached(name)
        typer.echo(
            f"{name:<12} {remote.bytes / 2**20:5.1f} MiB  {remote.licence}  {remote.summary}; "
            f"{where or 'not downloaded'}"
        )


@app.command("pull")
def pull(
    name: Annotated[str, typer.Argument(help="A name that `edgeattr models list` shows.")],
) -> None:
    """Download a detector. Example: `edgeattr models pull yolox_tiny`"""
    from edgeattr import hub

    with ProgressLine(f"downloading {name}") as bar:
        path = hub.fetch(name, progress=lambda done, total: bar.update(done, total=total))
    typer.echo(path)


@app.command("verify")
def verify() -> None:
    """Check the checksums of all that is here. Example: `edgeattr models verify`"""
    from edgeattr import hub
    from edgeattr.bundle import Bundle

    broken = False
    try:
        bundle = Bundle.read(hub.resolve_bundle(None))
        bundle.verify()
        typer.echo(f"ok       default: {', '.join(bundle.variants)}")
    except BundleError as error:
        broken = True
        note(f"DAMAGED  default: {error}")
    for name, remote in hub.KNOWN.items():
        path = hub.home() / "files" / remote.name
        if hub.cached(name):
            typer.echo(f"ok       {name}: {path}")
        elif path.exists():
            broken = True
            note(f"DAMAGED  {name}: {path}; get it again with: edgeattr models pull {name}")
    if broken:
        raise typer.Exit(1)
