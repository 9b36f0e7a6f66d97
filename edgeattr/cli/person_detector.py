"""What `run`, `info`, `bench` and `convert` do with a person detector."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgeattr.cli.progress import ProgressParts, note, print_figures
from edgeattr.core.errors import BundleError, UsageError

if TYPE_CHECKING:
    from edgeattr.core.detection_bundle import DetectionBundle
    from edgeattr.video.detectors import Detector
    from edgeattr_convert.contract import Contract

_WARM_UP = 3  # calls that are not counted


def open_detector(
    name: str,
    quiet: bool,
    *,
    threads: int | None = None,
    form: str | None = None,
    size: str = "",
    tiles: str = "",
) -> Detector:
    """As :func:`edgeattr.video.detectors.open_detector`, with progress on standard error.

    Size and tiles are given as :class:`edgeattr.cli.site_config.DetectorSection` has them.
    """
    from edgeattr.video import detectors

    with ProgressParts(quiet=quiet) as parts:
        return detectors.open_detector(
            name,
            threads=threads,
            form=form,
            size=detectors.parse_size(size) if size else None,
            tiles=detectors.parse_tiles(tiles) if tiles else None,
            on_download=lambda known, done, total: parts.tick(f"downloading {known}", done, total),
        )


def is_detector(path: Path) -> bool:
    """Whether a path is the bundle of a person detector."""
    from edgeattr.core.bundle_files import task_of
    from edgeattr.core.detection_bundle import DetectionBundle

    try:
        return path.suffix != ".pt" and task_of(path) == DetectionBundle.task
    except BundleError:
        return False  # what reads it next says why


def show_detector(path: Path, as_json: bool) -> None:
    """Print what a detector takes, where its weights come from, and its variants."""
    from edgeattr.core.detection_bundle import DetectionBundle

    bundle = DetectionBundle.read(path)
    sizes = {name: len(bundle.read_file(entry)) for name, entry in bundle.variants.items()}
    if as_json:
        typer.echo(json.dumps(bundle.to_json(), indent=1))
        return
    facts, decision = bundle.training, bundle.decision
    for line in (
        f"{bundle.name}  {path}",
        f"input    {bundle.input.side} pixels along the longer side of a frame, "
        f"{bundle.input.colour} uint8",
        f"decision a person from score {decision.score:g}, candidates of a track from "
        f"{decision.candidate:g}, one person where boxes overlap by {decision.overlap:g}",
        f"trained  on {facts.get('dataset')} {facts.get('split')}"
        + (f", taught by {facts['teacher']}" if "teacher" in facts else ""),
        f"licence  {facts.get('licence', 'not stated')}",
        "",
        "variants",
    ):
        typer.echo(line)
    for name, variant in bundle.variants.items():
        metrics = variant.metrics
        scores = f"  AP50 {metrics['AP50']}  recall {metrics['recall']}" if metrics else ""
        typer.echo(f"  {name:<14} {sizes[name] / 2**20:6.1f} MiB{scores}")
        typer.echo(f"  {'':<14} from {variant.parent}: {variant.verdict}")


def bench_detector(
    path: Path,
    runtimes: Sequence[str] | None,
    precisions: Sequence[str] | None,
    threads: Sequence[int] | None,
    seconds: float,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Time every variant on every engine in turns: frames of 16:9 at the detector's input size."""
    from edgeattr.core.detection_bundle import DetectionBundle
    from edgeattr.core.limits import available_cores
    from edgeattr_runtimes.device import device_name

    bundle = DetectionBundle.read(path)
    rows = []
    for count in threads or [available_cores()]:
        opened = _open_all(bundle, runtimes, precisions, count)
        for (runtime, precision), times in _timed(bundle, opened, seconds).items():
            low, mid, high = (_percentile(times, share) for share in (0.5, 0.95, 0.99))
            rows.append(
                {
                    "model": bundle.name,
                    "runtime": runtime,
                    "precision": precision,
                    "batch": 1,
                    "threads": count,
                    "frames_per_second": round(1 / statistics.mean(times), 1),
                    "latency_ms": {"p50": low, "p95": mid, "p99": high},
                }
            )
    table = "\n".join(
        f"{row['runtime']:<12} {row['precision']:<5} {row['threads']} threads "
        f"{row['frames_per_second']:8.1f} frames/s, {row['latency_ms']['p50']:.2f} ms"  # type: ignore[index]
        for row in rows
    )
    figures = {"device": device_name(), "results": rows}
    print_figures(figures, table, json_file, quiet=quiet)


def _open_all(
    bundle: DetectionBundle,
    runtimes: Sequence[str] | None,
    precisions: Sequence[str] | None,
    threads: int,
) -> dict[tuple[str, str], Any]:
    from edgeattr_runtimes.detection import open_detection
    from edgeattr_runtimes.engines import automatic

    problem, opened = None, {}
    for runtime in runtimes or [name for name in automatic() if name != "tensorrt"]:
        for precision in precisions or ("fp32", "fp16", "int8"):
            try:
                opened[runtime, precision] = open_detection(bundle, runtime, precision, threads)
            except BundleError as error:
                problem = error
    if not opened:
        raise problem or UsageError("there is nothing to time")
    return opened


def _timed(
    bundle: DetectionBundle, opened: dict[tuple[str, str], Any], seconds: float
) -> dict[tuple[str, str], list[float]]:
    import numpy as np

    from edgeattr.core.detection_bundle import input_size

    height, width = input_size((9, 16), bundle.input.side, bundle.input.stride)
    frame = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in opened}
    for runtime in opened.values():
        for _ in range(_WARM_UP):
            runtime.run(frame)
    end = time.perf_counter() + seconds * len(opened)
    while time.perf_counter() < end or not all(times.values()):
        for key, runtime in opened.items():
            began = time.perf_counter()
            runtime.run(frame)
            times[key].append(time.perf_counter() - began)
    for runtime in opened.values():
        runtime.close()
    return times


def _percentile(times: list[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(times)
    return round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2)


def convert_detector(
    path: Path,
    target: Path,
    precisions: Sequence[str],
    families: Sequence[str],
    calib: str | None,
    evaluation: str | None,
    contract: Contract,
    quiet: bool,
) -> None:
    """Add variants to a detector's bundle, each proven; see `edgeattr convert`."""
    from edgeattr.core.detection_bundle import DetectionBundle
    from edgeattr_convert.detection import calibration_frames, detector_steps
    from edgeattr_convert.detection import convert_detector as convert_bundle
    from edgeattr_train.data.boxes import is_box_spec, open_boxes

    if not precisions:
        raise UsageError("say what to make: --fp16, --int8 --calib VIDEO, or both")
    steps = detector_steps(families, precisions)
    if "int8" in precisions and not calib:
        raise UsageError(
            "--int8 needs frames to calibrate on: pass --calib with a video, a folder of frames, "
            "mot:DIR or coco:DIR, and --eval mot:DIR to compare accuracy"
        )
    bundle = DetectionBundle.read(path)
    held = evaluation or (calib if calib and is_box_spec(calib) else None)
    if "int8" in precisions and not held:
        raise UsageError(
            f"--calib {calib} has no boxes to prove INT8 on: pass --eval mot:DIR beside it"
        )
    made = convert_bundle(
        bundle,
        target,
        steps,
        calibration_frames(calib, bundle) if calib and "int8" in precisions else [],
        open_boxes(held) if held else None,
        contract,
        tell=lambda text: note(text, quiet=quiet),
    )
    note(f"wrote {made.path}: {', '.join(made.variants)}", quiet=quiet)
