"""`edgeattr info`: what a bundle is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeattr.cli.options import ModelArgument
from edgeattr.cli.person_detector import is_detector, show_detector

if TYPE_CHECKING:
    from edgeattr.core.bundle import Bundle
    from edgeattr.core.bundle_format import Variant
    from edgeattr.core.schema import AttributeSchema


def info(
    model: ModelArgument = "default",
    as_json: Annotated[bool, typer.Option("--json", help="The bundle's own description.")] = False,
) -> None:
    """Show what a model reads, what it was trained on, under which licence, and its variants.

    Of a checkpoint (`best.pt`) the same, but that it has no variants yet.

    Examples: `edgeattr info`, `edgeattr info person`
    """
    from edgeattr.core.bundle import Bundle
    from edgeattr.core.hub import resolve_bundle

    path = resolve_bundle(model)
    if is_detector(path):
        show_detector(path, as_json)
        return
    bundle = _described(path) if path.suffix == ".pt" else Bundle.read(path)
    sizes = {name: len(bundle.read_file(entry)) for name, entry in bundle.variants.items()}
    if as_json:
        typer.echo(json.dumps(bundle.to_json(), indent=1))
        return
    for line in (*_head(bundle, path), "", *_attributes(bundle.schema), "", "variants"):
        typer.echo(line)
    if not bundle.variants:
        typer.echo(f"  none: PyTorch runs it as it is; a bundle of it: edgeattr convert {path}")
    for name, variant in bundle.variants.items():
        typer.echo(f"  {name:<14} {sizes[name] / 2**20:6.1f} MiB{_scores(variant.metrics)}")
        for line in _validation(variant):
            typer.echo(f"  {'':<14} {line}")


def _described(checkpoint: Path) -> Bundle:
    """A checkpoint as a bundle that was not written."""
    from edgeattr_runtimes import open_checkpoint

    bundle, runtime = open_checkpoint(checkpoint)
    runtime.close()
    return bundle


def _head(bundle: Bundle, path: Path) -> list[str]:
    facts = bundle.training
    lines = [
        f"{bundle.name}  {path}",
        f"input    {bundle.input.width}x{bundle.input.height} {bundle.input.colour} uint8",
        f"trained  on {facts.get('dataset')} {facts.get('split')}, "
        f"{facts.get('images')} images, chosen on {facts.get('selected_on')}",
    ]
    if bundle.passed_over:
        lines.append(
            f"format   {bundle.format}, of a newer edgeattr; this version passes over: "
            f"{', '.join(bundle.passed_over)}"
        )
    if decision := facts.get("decision"):
        before, held = decision["before"], decision["held_out"]
        changes = ", ".join(
            f"{title} {_figure(before[key])} -> {_figure(held[key])}"
            for title, key in (("mA", "mA"), ("F1", "f1"), ("calibration error", "ece"))
        )
        lines.append(f"decision thresholds for {decision['objective']}, cross-validated: {changes}")
    return [*lines, f"licence  {facts.get('licence', 'not stated')}"]


def _attributes(schema: AttributeSchema) -> list[str]:
    groups: dict[str, list[str]] = {}
    for attribute in schema.attributes:
        star = "*" if attribute.sensitive else ""
        groups.setdefault(attribute.group, []).append(attribute.name + star)
    return [
        "attributes (* reported only with --include-sensitive)",
        *(f"  {group:<12} {', '.join(names)}" for group, names in groups.items()),
    ]


def _validation(variant: Variant) -> list[str]:
    """What its conversion found out, in lines."""
    lines = [f"from {variant.parent}: {variant.verdict}"]
    if calibration := variant.calibration:
        where = " ".join(
            str(calibration[key])
            for key in ("dataset", "split", "folder", "video")
            if key in calibration
        )
        lines.append(f"calibrated on {calibration['images']} images of {where}")
    if speed := variant.speed:
        half = speed.get("arithmetic", "f32")
        lines.append(
            ("" if half == "f32" else f"in {half}, ")
            + f"{speed['crops_per_second']:.0f} crops/s at batch {speed['batch']}, "
            f"{speed['latency_ms']:.1f} ms alone, on {speed['device']}"
        )
    return lines


def _scores(metrics: Mapping[str, Any]) -> str:
    if not metrics:
        return ""
    return (
        f"  mA {_figure(metrics['mA'])}  F1 {_figure(metrics['f1'])} on {metrics['dataset']} "
        f"{metrics['split']}"
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
