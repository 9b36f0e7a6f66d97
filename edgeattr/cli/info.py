"""`edgeattr info`: what a bundle is."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from edgeattr.cli.options import ModelArgument

__all__ = ["info"]


def info(
    model: ModelArgument = "default",
    as_json: Annotated[bool, typer.Option("--json", help="The bundle's own description.")] = False,
) -> None:
    """Show what a model reads, what it was trained on, under which licence, and its variants.

    Example: `edgeattr info`
    """
    from edgeattr.bundle import Bundle
    from edgeattr.hub import resolve_bundle

    bundle = Bundle.read(resolve_bundle(model))
    sizes = {name: len(bundle.read_file(entry)) for name, entry in bundle.variants.items()}
    if as_json:
        typer.echo(json.dumps(bundle.to_json(), indent=1))
        return
    facts = bundle.training
    typer.echo(f"{bundle.name}  {bundle.path}")
    typer.echo(f"input    {bundle.input.width}x{bundle.input.height} {bundle.input.colour} uint8")
    typer.echo(
        f"trained  on {facts.get('dataset')} {facts.get('split')}, "
        f"{facts.get('images')} images, chosen on {facts.get('selected_on')}"
    )
    typer.echo(f"licence  {facts.get('licence', 'not stated')}")
    typer.echo("\nattributes (* reported only with --include-sensitive)")
    groups: dict[str, list[str]] = {}
    for attribute in bundle.schema.attributes:
        star = "*" if attribute.sensitive else ""
        groups.setdefault(attribute.group, []).append(attribute.name + star)
    for group, names in groups.items():
        typer.echo(f"  {group:<12} {', '.join(names)}")
    typer.echo("\nvariants")
    for name, variant in bundle.variants.items():
        metrics = variant.metrics
        scores = (
            f"  mA {metrics['mA']:.2f}  F1 {metrics['f1']:.2f} on {metrics['dataset']} "
            f"{metrics['split']}"
            if metrics
            else ""
        )
        typer.echo(f"  {name:<12} {sizes[name] / 2**20:6.1f} MiB{scores}  {variant.verdict}")
