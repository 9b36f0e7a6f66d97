"""What `edgeattr bench` found: a table, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgeattr.core.errors import OutputError

if TYPE_CHECKING:
    from edgeattr_runtimes.bench import Timing

__all__ = ["give", "to_json"]


def give(
    model: str,
    timings: Sequence[Timing],
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Print the table, and write the file that was asked for."""
    from edgeattr.core.files import write_atomically

    record = json.dumps(to_json(model, timings), indent=1) + "\n"
    if json_file and str(json_file) == "-":
        typer.echo(record, nl=False)
    elif not (json_file and quiet):
        typer.echo(_table(timings))  # before anything can go wrong with a file
    try:
        if json_file and str(json_file) != "-":
            write_atomically(json_file, record)
    except OSError as error:
        raise OutputError(f"the figures cannot be written: {error.strerror or error}") from error


def to_json(model: str, timings: Sequence[Timing]) -> dict[str, Any]:
    """``{"device": ..., "results": [...]}``, one result for each setting.

    ``relative`` is the throughput as a share of the first setting's, in turns beside each other.
    ``load_seconds`` and ``rss_mb`` are null for raw calls, of which they are not known.
    """
    from edgeattr_runtimes.device import device_name

    return {
        "device": device_name(),
        "results": [
            {
                "model": model,
                "runtime": timing.setting.engine,
                "version": timing.about.version,
                "device": timing.about.device,
                "variant": timing.setting.variant,
                "precision": timing.about.precision,
                "arithmetic": timing.about.arithmetic,
                "raw": timing.setting.raw,
                "batch": timing.setting.batch,
                "threads": timing.about.threads,
                "streams": timing.about.streams,
                "engine_batch": timing.about.batch,
                "crops_per_second": round(timing.crops_per_second, 2),
                "interval": [round(timing.low, 2), round(timing.high, 2)],
                "latency_ms": {key: round(ms, 3) for key, ms in timing.latency_ms.items()},
                "calls": timing.calls,
                "relative": round(timing.relative, 4),
                "load_seconds": _rounded(timing.load_seconds, 3),
                "rss_mb": _rounded(timing.rss_mb, 1),
            }
            for timing in timings
        ],
    }


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)


def _table(timings: Sequence[Timing]) -> str:
    """One line for each setting; throughput with its 95 % interval, and as a share of the first."""
    from edgeattr_runtimes.device import device_name

    lines = [
        device_name(),
        f"{'runtime':<12} {'variant':<18} {'batch':>5} {'threads':>7} {'streams x of':>12} "
        f"{'crops/s':>8} {'95 % interval':>17} {'ratio':>6} {'p50 ms':>8} "
        f"{'p95':>8} {'p99':>8} {'MiB':>6}",
    ]
    for timing in timings:
        setting, about, ms = timing.setting, timing.about, timing.latency_ms
        half = "" if about.arithmetic == "f32" else f" {about.arithmetic}"
        name = setting.variant + half + (" raw" if setting.raw else "")
        memory = "" if timing.rss_mb is None else f"{timing.rss_mb:.0f}"
        lines.append(
            f"{setting.engine:<12} {name:<18} {setting.batch:5} {about.threads:7} "
            f"{f'{about.streams} x {about.batch}':>12} {timing.crops_per_second:8.1f} "
            f"{f'{timing.low:.1f} to {timing.high:.1f}':>17} {timing.relative:6.3f} "
            f"{ms['p50']:8.2f} {ms['p95']:8.2f} {ms['p99']:8.2f} {memory:>6}".rstrip()
        )
    return "\n".join(lines)
