"""`edgeattr bench`: how fast a model is on this device."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeattr.cli.options import Device, ModelArgument, Quiet
from edgeattr.cli.person_detector import bench_detector, is_detector
from edgeattr.cli.progress import ProgressLine, note, print_figures
from edgeattr.core.errors import BundleError, UsageError

if TYPE_CHECKING:
    from edgeattr.core.bundle import Bundle
    from edgeattr_runtimes.bench_process import Setting, Timing

Runtimes = Annotated[
    list[str] | None,
    typer.Option("--runtime", metavar="R", help="An engine; may be repeated. All that can run."),
]
Precisions = Annotated[
    list[str] | None,
    typer.Option("--precision", metavar="P", help="May be repeated. All that the model has."),
]
Batches = Annotated[
    list[int] | None,
    typer.Option("--batch", metavar="N", min=1, help="Crops a call; may be repeated. 1 and 8."),
]
Threads = Annotated[
    list[int] | None,
    typer.Option("--threads", metavar="N", min=1, help="May be repeated. All cores."),
]
Streams = Annotated[
    int | None, typer.Option("--streams", min=1, help="Batches at once; the engine's choice.")
]
Seconds = Annotated[float, typer.Option("--seconds", min=0.1, help="Of each setting.")]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="raw", help="Time beside each setting the engine's own calls on ready-made arrays."
    ),
]
Tune = Annotated[
    bool,
    typer.Option(
        "--tune", help="Find the fastest setting; every later load on this device uses it."
    ),
]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures; - prints them.")
]


def bench(
    model: ModelArgument = "default",
    runtime: Runtimes = None,
    precision: Precisions = None,
    batch: Batches = None,
    threads: Threads = None,
    streams: Streams = None,
    device: Device = None,
    seconds: Seconds = 3.0,
    against: Against = None,
    tune: Tune = False,
    json_file: Json = None,
    quiet: Quiet = False,
) -> None:
    """Time a model's variants in turns: throughput, latency of a call, memory.

    Every setting runs in a process of its own. Crops are at the model's size already. Of a person
    detector, frames of 16:9 one at a time, in this process.

    Example: `edgeattr bench --precision int8 --batch 1 --batch 16 --json figures.json`
    """
    from edgeattr.core.bundle import Bundle
    from edgeattr.core.files import check_writable
    from edgeattr.core.hub import resolve_bundle

    if against not in (None, "raw"):
        raise UsageError(f"--against {against}: there is raw")
    path = resolve_bundle(model)
    if path.suffix == ".pt":
        made = path.with_suffix(".edgeattr")
        raise UsageError(
            f"{path} is a checkpoint, and only bundles are timed. Make one with: edgeattr convert "
            f"{path}, then run: edgeattr bench {made}, with --runtime torch for PyTorch"
        )
    if json_file and str(json_file) != "-":
        check_writable(json_file)
    if is_detector(path):
        if batch or streams or device or against or tune:
            raise UsageError(
                "of a person detector --runtime, --precision, --threads, --seconds and --json can "
                "be given"
            )
        bench_detector(path, runtime, precision, threads, seconds, json_file, quiet)
        return
    bundle = Bundle.read(path)
    if tune:
        asked = (runtime, precision, batch, threads, streams, device, against)
        if any(value is not None for value in asked):
            raise UsageError("--tune tries the settings itself: give it --seconds and files alone")
        timings = _tune(bundle, seconds, quiet)
    else:
        settings = _settings(bundle, runtime, precision, batch, threads, streams, device)
        timings = _measure(bundle, _beside(settings, against), seconds, quiet)
    print_figures(to_json(model, timings), _table(timings), json_file, quiet=quiet)


def _beside(settings: list[Setting], against: str | None) -> list[Setting]:
    """The settings, and each without edgeattr where that is what they are measured against."""
    ways = (False, True) if against == "raw" else (False,)
    return [dataclasses.replace(setting, raw=raw) for setting in settings for raw in ways]


def _settings(
    bundle: Bundle,
    runtimes: list[str] | None,
    precisions: list[str] | None,
    batches: list[int] | None,
    threads: list[int] | None,
    streams: int | None,
    device: str | None,
) -> list[Setting]:
    """Every combination that was asked for; of what was not, what there is.

    Raises:
        UsageError, RuntimeFailure, BundleError: something that was asked for is not there.
    """
    from edgeattr_runtimes import EngineOptions, choose
    from edgeattr_runtimes.bench_process import Setting
    from edgeattr_runtimes.engines import automatic, with_device

    problem, variants = None, []
    for engine in runtimes or (with_device(device) if device else automatic()):
        for precision in precisions or ("fp32", "fp16", "int8"):
            try:
                variants.append(choose(bundle, engine, precision))
            except BundleError as error:
                problem = error
                if runtimes and precisions:
                    raise
    if problem and not variants:
        raise problem
    return [
        Setting(
            engine=engine,
            variant=variant.name,
            batch=batch,
            options=EngineOptions(device=device, threads=count, streams=streams),
        )
        for engine, variant in variants
        for count in threads or (None,)
        for batch in batches or [1, 8]
    ]


def _measure(bundle: Bundle, settings: list[Setting], seconds: float, quiet: bool) -> list[Timing]:
    from edgeattr_runtimes.bench import measure

    assert bundle.path
    with ProgressLine(f"timing {len(settings)} settings", quiet=quiet) as line:
        return measure(
            bundle.path,
            settings,
            seconds=seconds,
            tick=lambda done, total: line.update(done, total=total),
        )


def _tune(bundle: Bundle, seconds: float, quiet: bool) -> list[Timing]:
    from edgeattr_runtimes.tune import tune
    from edgeattr_runtimes.tuning_cache import tuning_path

    assert bundle.path
    with ProgressLine("tuning", quiet=quiet) as line:
        found = tune(
            bundle.path,
            seconds=seconds,
            tell=lambda text: note(text, quiet=quiet),
            tick=lambda done, total: line.update(done, total=total),
        )
    best, about = found[0], found[0].about
    note(
        f"every later load here takes {best.setting.variant} on {about.engine} in "
        f"{about.arithmetic}, {about.streams} streams of {about.batch} crops: "
        f"{best.crops_per_second:.0f} crops/s; kept in {tuning_path(bundle)}",
        quiet=quiet,
    )
    return found


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
