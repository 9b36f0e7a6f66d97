"""What `edgeattr bench` found: a table, JSON, a plot."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgeattr.core.errors import MissingDependency, OutputError, UsageError

if TYPE_CHECKING:
    from edgeattr_runtimes.bench import Timing

__all__ = ["check_files", "give", "plot", "to_json"]

_SUFFIXES = (".png", ".svg", ".pdf")
_MARKS = "osD^vP*X"


def check_files(json_file: Path | None, plot_file: Path | None) -> None:
    """Refuse before anything is measured what could not be written or drawn afterwards.

    Raises:
        UsageError: a file type that is not known.
        MissingDependency: matplotlib is not installed.
        OutputError: a file cannot be written.
    """
    from edgeattr.core.files import check_writable

    if json_file and str(json_file) != "-":
        check_writable(json_file)
    if plot_file:
        _check_plot(plot_file)
        check_writable(plot_file)


def _check_plot(file: Path) -> None:
    if file.suffix not in _SUFFIXES:
        raise UsageError(f"--plot {file}: the name must end with {', '.join(_SUFFIXES)}")
    if not importlib.util.find_spec("matplotlib"):
        raise MissingDependency("matplotlib", extra="plot", purpose="draw a plot")


def give(
    model: str,
    timings: Sequence[Timing],
    json_file: Path | None,
    plot_file: Path | None,
    quiet: bool,
) -> None:
    """Print the table, and write the files that were asked for."""
    from edgeattr.core.files import write_atomically

    record = json.dumps(to_json(model, timings), indent=1) + "\n"
    if json_file and str(json_file) == "-":
        typer.echo(record, nl=False)
    elif not (json_file and quiet):
        typer.echo(_table(timings))  # before anything can go wrong with a file
    try:
        if json_file and str(json_file) != "-":
            write_atomically(json_file, record)
        if plot_file:
            plot(model, timings, plot_file)
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


def plot(model: str, timings: Sequence[Timing], file: Path) -> None:
    """Crops per second over the latency of a call, a line for each setting through its batches.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure

    from edgeattr.core.files import atomic_path
    from edgeattr_runtimes.device import device_name

    lines: dict[str, list[Timing]] = {}
    for timing in timings:
        lines.setdefault(_label(timing), []).append(timing)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(
        xlabel="latency of a call, median to 95th percentile (ms)", ylabel="crops per second",
        title=f"{model} on {device_name()}",
    )  # fmt: skip
    for index, (label, group) in enumerate(lines.items()):
        _line(axes, label, group, _MARKS[index % len(_MARKS)])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    with atomic_path(file) as temporary:
        figure.savefig(temporary, dpi=150)


def _label(timing: Timing) -> str:
    """All of a setting but its batch."""
    about, setting = timing.about, timing.setting
    return (
        f"{setting.engine} {setting.variant}, {about.threads} threads in {about.streams} streams"
        + (", raw" if setting.raw else "")
    )


def _line(axes: Any, label: str, group: Sequence[Timing], mark: str) -> None:
    group = sorted(group, key=lambda timing: timing.setting.batch)
    middle = [timing.crops_per_second for timing in group]
    median = [timing.latency_ms["p50"] for timing in group]
    down = [timing.crops_per_second - timing.low for timing in group]
    up = [timing.high - timing.crops_per_second for timing in group]
    late = [timing.latency_ms["p95"] - timing.latency_ms["p50"] for timing in group]
    axes.errorbar(
        median, middle, yerr=(down, up), xerr=([0] * len(late), late),
        marker=mark, capsize=2, label=label,
    )  # fmt: skip
    for timing, x, y in zip(group, median, middle, strict=True):
        axes.annotate(
            str(timing.setting.batch), (x, y), textcoords="offset points", xytext=(4, 4),
            fontsize="x-small",
        )  # fmt: skip
