"""`edgeattr run`: people and their attributes off videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeattr.cli.options import Device, Model, Precision, Quiet, Runtime, Sensitive
from edgeattr.cli.progress import ProgressLine, note
from edgeattr.errors import DownloadError, InputError, UsageError

if TYPE_CHECKING:
    from edgeattr.model import AttributeModel
    from edgeattr.video.detect import Detector
    from edgeattr.video.pipeline import Summary
    from edgeattr.video.sinks import EventsFile

__all__ = ["run"]


Sources = Annotated[
    list[str], typer.Argument(metavar="SOURCE...", help="Video files, or a camera's number.")
]
DetectorName = Annotated[
    str,
    typer.Option(
        "--detector",
        metavar="NAME|PATH",
        help="`auto` (yolox_nano, downloaded once; `motion` where that fails), `yolox_nano`, "
        "`yolox_tiny`, `yolox_s`, `motion`, or a YOLOX export's ONNX file.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", metavar="OUT.mp4", help="Write an annotated video.")
]
Events = Annotated[
    Path | None,
    typer.Option(
        "--events",
        metavar="OUT.jsonl",
        help="Write one JSON object per person; to standard output if neither this nor --output "
        "is given.",
    ),
]
MaxFrames = Annotated[
    int | None, typer.Option("--max-frames", min=1, help="Stop each source after so many frames.")
]
Show = Annotated[bool, typer.Option("--show", help="Show a window; q closes it.")]


def run(
    sources: Sources,
    model: Model = "default",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    device: Device = None,
    detector: DetectorName = "auto",
    output: Output = None,
    events: Events = None,
    max_frames: MaxFrames = None,
    show: Show = False,
    include_sensitive: Sensitive = False,
    quiet: Quiet = False,
) -> None:
    """Find people in videos, follow them, and say what they wear and carry.

    Example: `edgeattr run camera.mp4 --output annotated.mp4 --events people.jsonl`
    """
    import edgeattr
    from edgeattr.video.detect import MotionDetector
    from edgeattr.video.sinks import EventsFile

    _check_files(sources, detector, output, events)
    failed = False
    finder = open_detector(detector, quiet)  # refuse a bad one before any file is opened
    with edgeattr.load(
        model,
        runtime=runtime,
        precision=precision,
        device=device,
        include_sensitive=include_sensitive,
    ) as loaded:
        about = loaded.describe()
        note(
            f"model: {model}, {about.precision} on {about.engine} {about.device}; "
            f"detector: {finder.name}",
            quiet=quiet,
        )
        sink = EventsFile(events) if events or not output else None
        try:
            for source in sources:
                if isinstance(finder, MotionDetector):
                    finder = MotionDetector()  # each camera has a background of its own
                problem = _run_one(
                    source, loaded, finder, sink, output,
                    max_frames=max_frames, show=show, quiet=quiet,
                )  # fmt: skip
                if problem:
                    failed = True
                    note(f"edgeattr: {problem}")
        finally:
            if sink:
                sink.close()
    if failed:
        raise typer.Exit(1)


def _check_files(
    sources: list[str], detector: str, output: Path | None, events: Path | None
) -> None:
    """Refuse what cannot be meant before anything is opened, so that no old result is lost."""
    from edgeattr.video.sinks import check_video_name

    if output:
        check_video_name(output)
        if len(sources) > 1:
            raise UsageError("--output takes one source; run once per video, or use --events alone")
    for target in (output, events):
        if target and any(_same_file(target, Path(name)) for name in (*sources, detector)):
            raise UsageError(f"{target} is an input of this run; write the result somewhere else")
    if output and events and output.absolute() == events.absolute():
        raise UsageError(f"--output and --events both name {output}")
    for source in sources:
        if not (source.isdecimal() or "://" in source or Path(source).exists()):
            raise InputError(f"{source}: no such file")


def _same_file(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def _run_one(
    name: str,
    model: AttributeModel,
    detector: Detector,
    events: EventsFile | None,
    output: Path | None,
    *,
    max_frames: int | None,
    show: bool,
    quiet: bool,
) -> str | None:
    """Process one source; what was wrong with it, or None."""
    from edgeattr.video.pipeline import Pipeline, Summary
    from edgeattr.video.sinks import VideoFile, Window
    from edgeattr.video.source import VideoSource

    try:
        source = VideoSource(name)
    except InputError as error:
        if events:
            events.write(Summary(stream=name, error=str(error)).to_json())
        return str(error)
    total = min(filter(None, (source.announced_frames, max_frames)), default=None)
    with source, ProgressLine(Path(name).name, total, quiet=quiet) as bar:
        window = Window(name) if show else None  # first: it may refuse, and holds no file
        video = VideoFile(output, source.size, source.rate) if output else None
        pipeline = Pipeline(
            model,
            detector,
            events=[events] if events else [],
            frames=[sink for sink in (video, window) if sink],
        )

        def report(summary: Summary, rate: float) -> bool:
            bar.update(summary.frames, f"{rate:.1f} frames/s, {summary.people} people")
            return not (window and window.wants_stop)

        try:
            summary = pipeline.run(source, max_frames=max_frames, report=report)
        finally:
            for sink in (video, window):
                if sink:
                    sink.close()
    _conclude(summary, events, output, quiet)
    return summary.error


def _conclude(
    summary: Summary, events: EventsFile | None, output: Path | None, quiet: bool
) -> None:
    places = [str(place) for place in (events.path if events else None, output) if place]
    note(
        f"{summary.stream}: {summary.frames} frames, {summary.people} people, "
        f"{summary.crops_classified} of {summary.crops_seen} crops classified"
        + (f"; wrote {' and '.join(places)}" if places else ""),
        quiet=quiet,
    )


def open_detector(name: str, quiet: bool) -> Detector:
    """The detector of that name or path; see the help of ``--detector``.

    Raises:
        UsageError: neither a known name nor a file.
        DownloadError: a named detector is not here and cannot be downloaded.
    """
    from edgeattr import hub
    from edgeattr.video.detect import MotionDetector, YoloxDetector

    if name == "motion":
        return MotionDetector()
    if name in hub.KNOWN or name == "auto":
        wanted = "yolox_nano" if name == "auto" else name
        try:
            return YoloxDetector(hub.cached(wanted) or _download(wanted, quiet))
        except DownloadError as error:
            if name != "auto":
                raise
            note(
                f"warning: {error}.\nwarning: falling back on the detector `motion`, which needs a "
                "still camera and finds whatever upright thing moves. For a real person detector "
                "pass --detector PATH with any YOLOX export, or run: "
                "edgeattr models pull yolox_nano"
            )
            return MotionDetector()
    path = Path(name)
    if not path.exists():
        raise UsageError(
            f"--detector {name!r} is neither a file nor one of: auto, motion, "
            f"{', '.join(hub.KNOWN)}"
        )
    return YoloxDetector(path)


def _download(name: str, quiet: bool) -> Path:
    from edgeattr import hub

    with ProgressLine(f"downloading {name}", hub.KNOWN[name].bytes, quiet=quiet) as bar:
        return hub.fetch(name, progress=lambda done, total: bar.update(done))
