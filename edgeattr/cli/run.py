"""`edgeattr run`: people and their attributes off videos and cameras."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from edgeattr.cli.options import (
    DetectorFormat,
    Device,
    Model,
    Precision,
    Quiet,
    Runtime,
    Sensitive,
    detector_names,
)
from edgeattr.core.errors import UsageError

if TYPE_CHECKING:
    from edgeattr.cli.site_config import Site

_NAMELESS = Path()  # what --output without a name stands for
_BESIDE_CONFIG = ("context", "config", "show", "log_format", "quiet")


Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=]SOURCE...",
        help="Video files, folders of images, cameras (`0`, `/dev/video0`, `csi:0`), GStreamer "
        "pipelines, or addresses: rtsp, http, rtmp, srt, udp. With `door=rtsp://...` the stream "
        "is called door everywhere.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="SITE.toml",
        help="Take sources and all else from a file; read again on SIGHUP.",
    ),
]
DetectorName = Annotated[
    str,
    typer.Option(
        "--detector",
        metavar="NAME|PATH",
        help="`auto` (`person`, which is inside the package), a name that `edgeattr models` "
        "lists, a bundle, or a file: an export of the YOLO families, RT-DETR, D-FINE, RF-DETR, "
        "YOLO-NAS or SSD.",
        autocompletion=detector_names,
    ),
]
DetectorInput = Annotated[
    str,
    typer.Option(
        "--detector-input",
        metavar="PIXELS",
        help="Look at larger frames, which finds smaller people: the longer side, as `640`, or "
        "`960x544`.",
    ),
]
DetectorTiles = Annotated[
    str,
    typer.Option(
        "--detector-tiles",
        metavar="COLUMNSxROWS",
        help="Look at parts of the frame as well, as `2x2`: far people before a 4K camera.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="[OUT.mp4]",
        help="Write an annotated video, beside the source where no name follows; of a camera one "
        "an hour.",
    ),
]
ColourOption = Annotated[
    Literal["track", "alert", "zone"],
    typer.Option(
        "--colour-by",
        "--color-by",
        metavar="track|alert|zone",
        help="What gives the boxes of annotated videos their colours. Who raised an alert is red.",
    ),
]
Encoder = Annotated[
    str,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="Of annotated videos: `libx264`, or of the hardware `h264_nvenc`, `h264_qsv`, "
        "`h264_v4l2m2m`, `h264_nvmpi`, `h264_videotoolbox`.",
    ),
]
Events = Annotated[
    Path | None,
    typer.Option(
        "--events",
        metavar="OUT.jsonl",
        help="Write one JSON object per person; `-` is standard output, which a pipe gets where no "
        "result is asked for. "
        "A file that is there is replaced by a run over files; a run that goes on until it is "
        "stopped (cameras) adds to it.",
    ),
]
Tracks = Annotated[
    Path | None,
    typer.Option(
        "--tracks",
        metavar="OUT.csv",
        help="Write who is where in each frame, in MOTChallenge's text format.",
    ),
]
Zones = Annotated[
    list[str] | None,
    typer.Option(
        "--zone",
        metavar="NAME=x,y,x,y,x,y,...",
        help="Count people in a zone, and how long they stay; corners in fractions of the "
        "picture. May be repeated; counts for every source.",
    ),
]
Lines = Annotated[
    list[str] | None,
    typer.Option(
        "--line",
        metavar="NAME=x,y,x,y",
        help="Count who crosses a line which way (in: from its left to its right, seen from "
        "start to end). May be repeated.",
    ),
]
Store = Annotated[
    Path | None,
    typer.Option("--store", metavar="PEOPLE.sqlite", help="Keep records in a SQLite file."),
]
Mqtt = Annotated[
    str | None,
    typer.Option(
        "--mqtt",
        metavar="URL",
        help="Publish records: `mqtt://host` or `mqtts://host`; credentials in the address, or "
        "in MQTT_USERNAME and MQTT_PASSWORD.",
    ),
]
Webhook = Annotated[
    str | None, typer.Option("--webhook", metavar="URL", help="POST records to a web server.")
]
Metrics = Annotated[
    int | None,
    typer.Option(
        "--metrics", metavar="PORT", help="Serve /metrics (Prometheus) and /health on 127.0.0.1."
    ),
]
Web = Annotated[
    int | None,
    typer.Option(
        "--web",
        metavar="PORT",
        help="Show a live page of cameras and people on 127.0.0.1; 0 takes a free port.",
    ),
]
WebHost = Annotated[
    str | None,
    typer.Option(
        "--web-host",
        metavar="ADDRESS",
        help="Show the page there; visitors need a token, of EDGEATTR_WEB_TOKEN or made up.",
    ),
]
WebStay = Annotated[
    bool,
    typer.Option("--web-stay", help="Show the page until Ctrl-C, also when all files have ended."),
]
WebPictures = Annotated[
    bool,
    typer.Option(
        "--web-pictures", help="Let the page show the cameras' annotated pictures, one a second."
    ),
]
Crops = Annotated[
    Path | None,
    typer.Option("--crops", metavar="DIR", help="Keep one picture of each person there."),
]
Explain = Annotated[
    Path | None,
    typer.Option(
        "--explain",
        metavar="DIR",
        help="Keep a picture of each person there that shows where the model looked.",
    ),
]
RetentionDays = Annotated[
    float | None,
    typer.Option(
        "--retention-days", metavar="N", help="Delete records and pictures older than this."
    ),
]
BlurFaces = Annotated[
    bool, typer.Option("--blur-faces", help="Blur the heads of people in annotated videos.")
]
Audit = Annotated[
    Path | None,
    typer.Option("--audit", metavar="FILE", help="Write a line for each act that touches privacy."),
]
DetectEvery = Annotated[
    int,
    typer.Option(
        "--detect-every",
        metavar="N",
        min=1,
        help="Look for people in one frame of N; the tracker goes on between.",
    ),
]
MaxFrames = Annotated[
    int | None, typer.Option("--max-frames", min=1, help="Stop each source after so many frames.")
]
Show = Annotated[bool, typer.Option("--show", help="Show a window; q closes it.")]
LogFormat = Annotated[
    str, typer.Option("--log-format", metavar="text|json", help="Of what goes to standard error.")
]


class RunCommand(TyperCommand):
    """Lets ``--output`` stand without a name, which Typer has no way to say."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        place = args.index("--output") + 1 if "--output" in args else 0
        if place and (place == len(args) or args[place].startswith("-")):
            args = [*args[:place], str(_NAMELESS), *args[place:]]
        return super().parse_args(ctx, args)


def run(
    context: typer.Context,
    sources: Sources = None,
    config: Config = None,
    model__path: Model = "default",
    model__runtime: Runtime = "auto",
    model__precision: Precision = "auto",
    model__device: Device = None,
    detector__path: DetectorName = "auto",
    detector__format: DetectorFormat = None,
    detector__input: DetectorInput = "",
    detector__tiles: DetectorTiles = "",
    sources__output: Output = None,
    pipeline__colour_by: ColourOption = "track",
    video__encoder: Encoder = "libx264",
    events__path: Events = None,
    sources__tracks: Tracks = None,
    sources__zones: Zones = None,
    sources__lines: Lines = None,
    store__path: Store = None,
    mqtt__url: Mqtt = None,
    webhook__url: Webhook = None,
    metrics__port: Metrics = None,
    web__port: Web = None,
    web__host: WebHost = None,
    web__stay: WebStay = False,
    web__pictures: WebPictures = False,
    crops__path: Crops = None,
    evidence__path: Explain = None,
    privacy__retention_days: RetentionDays = None,
    privacy__blur_faces: BlurFaces = False,
    privacy__audit: Audit = None,
    pipeline__detect_every: DetectEvery = 1,
    sources__max_frames: MaxFrames = None,
    show: Show = False,
    privacy__include_sensitive: Sensitive = False,
    log_format: LogFormat = "text",
    quiet: Quiet = False,
) -> None:
    """Find people in videos, follow them, and say what they wear and carry.

    Example: `edgeattr run camera.mp4 --output annotated.mp4 --events people.jsonl`
    """
    from edgeattr.cli.progress import set_up_logs
    from edgeattr.cli.run_site import run_site

    set_up_logs(log_format, quiet=quiet)
    run_site(_site_of(context, config), config=config, show=show, quiet=quiet)


def _site_of(context: typer.Context, config: Path | None) -> Site:
    """What the site's file says, or the options.

    Raises:
        UsageError: both are given, no source, or options that do not go together.
    """
    from edgeattr.cli.site_config import Site, load_site
    from edgeattr.core.config import build

    given = {
        name: value
        for name, value in context.params.items()
        if name not in _BESIDE_CONFIG and _is_given(context, name)
    }
    if config is None:
        values = _values_of(dict(given))
        try:
            site = build(Site, values, what="run")
        except UsageError as error:
            raise _named_by_options(context, given, error) from error
        site.check_sources()
        return site
    if given:  # with a site's file no option counts that the file could say
        raise UsageError(
            f"{_option_of(context, next(iter(given)))} and --config cannot go together: "
            "say it in the file (docs/video.md)"
        )
    return load_site(config)


def _values_of(given: dict[str, Any]) -> dict[str, Any]:
    """What the command line says, as the keys of a site's file: SECTION__KEY is an option's place.

    Raises:
        UsageError: no source, or options that do not go together.
    """
    from edgeattr.cli.site_config import named_source
    from edgeattr.video.zones import parse_line, parse_zone

    sources = given.pop("sources", None)
    if not sources:
        raise UsageError("no source; name a video or a camera, or pass --config SITE.toml")
    values: dict[str, Any] = {}
    for name, value in given.items():
        section, _, key = name.partition("__")
        if key:
            values.setdefault(section, {})[key] = value
        else:
            values[name] = value
    each = values.pop("sources", {})
    for key in each.keys() & {"output", "tracks"}:
        if len(sources) > 1:
            raise UsageError(
                f"--{key} takes one source; run once per video, use --events alone, or give each "
                f"source of --config its own {key}"
            )
    if "output" in each and Path(each["output"]) == _NAMELESS:
        each["output"] = _beside(named_source(sources[0])["address"])
    for key, parse in (("zones", parse_zone), ("lines", parse_line)):
        if key in each:
            each[key] = [dataclasses.asdict(parse(text)) for text in each[key]]
    if "web" in values and "port" not in values["web"]:
        raise UsageError(
            "--web-host, --web-stay and --web-pictures count for the page; add --web PORT"
        )
    kept = {"store", "mqtt", "webhook", "web"}  # sections that take results
    asked = each.keys() & {"output", "tracks"} or values.keys() & kept
    if not asked and not sys.stdout.isatty():  # where people are reported in words, line by line
        values.setdefault("events", {})
    return {**values, "sources": [{**named_source(source), **each} for source in sources]}


def _beside(address: str) -> Path:
    """A name for the annotated video: beside a file, in the current folder for a camera."""
    from edgeattr.video.sources.address import kind_of, local_path

    if kind_of(address) not in ("file", "folder"):
        return Path("camera-annotated.mp4")
    source = Path(local_path(address) or address)
    return source.with_name(f"{source.stem}-annotated.mp4")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _named_by_options(
    context: typer.Context, given: Iterable[str], error: UsageError
) -> UsageError:
    """An error that begins with a key of a site's file, with the option in its place."""
    text = str(error)
    for name in given:
        section, _, key = name.rpartition("__")
        text = re.sub(
            rf"^(run key )?({section}(\[0\])?[. ])?{key}\b", _option_of(context, name), text
        )
    return UsageError(text)


def _option_of(context: typer.Context, name: str) -> str:
    """How users write it."""
    (found,) = (option for option in context.command.params if option.name == name)
    return found.opts[0] if found.opts[0].startswith("-") else name
