"""`edgeattr run`: people and their attributes off videos and cameras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeattr.cli.complete import detector_names
from edgeattr.cli.options import Device, Model, Precision, Quiet, Runtime, Sensitive
from edgeattr.core.errors import UsageError

if TYPE_CHECKING:
    from edgeattr.cli.site_config import Site, WebSection

__all__ = ["run"]

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
        "lists, a bundle, or the file of a YOLOX, SSD, RT-DETR or D-FINE export.",
        autocompletion=detector_names,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="OUT.mp4",
        help="Write an annotated video; of a camera one an hour.",
    ),
]
Events = Annotated[
    Path | None,
    typer.Option(
        "--events",
        metavar="OUT.jsonl",
        help="Write one JSON object per person; `-` is standard output, as is no result at all. "
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


def run(
    context: typer.Context,
    sources: Sources = None,
    config: Config = None,
    model: Model = "default",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    device: Device = None,
    detector: DetectorName = "auto",
    output: Output = None,
    events: Events = None,
    tracks: Tracks = None,
    zone: Zones = None,
    line: Lines = None,
    store: Store = None,
    mqtt: Mqtt = None,
    webhook: Webhook = None,
    metrics: Metrics = None,
    web: Web = None,
    web_host: WebHost = None,
    web_stay: WebStay = False,
    crops: Crops = None,
    explain: Explain = None,
    retention_days: RetentionDays = None,
    blur_faces: BlurFaces = False,
    audit: Audit = None,
    detect_every: DetectEvery = 1,
    max_frames: MaxFrames = None,
    show: Show = False,
    include_sensitive: Sensitive = False,
    log_format: LogFormat = "text",
    quiet: Quiet = False,
) -> None:
    """Find people in videos, follow them, and say what they wear and carry.

    Example: `edgeattr run camera.mp4 --output annotated.mp4 --events people.jsonl`
    """
    said = dict(locals())
    from edgeattr.cli.logs import set_up_logs
    from edgeattr.cli.running import run_site

    set_up_logs(log_format, quiet=quiet)
    if config:
        from edgeattr.cli.site_config import load_site

        _refuse_others(context)
        run_site(load_site(config), config=config, show=show, quiet=quiet)
        return
    site = _site_of(sources or [], said)
    site.check_sources()
    run_site(site, config=None, show=show, quiet=quiet)


def _site_of(sources: list[str], said: Mapping[str, Any]) -> Site:
    """What the command line says, by the names of its options."""
    from edgeattr.cli import site_config as parts
    from edgeattr.video.options import PipelineOptions
    from edgeattr.video.zones import parse_line, parse_zone

    if not sources:
        raise UsageError("no source; name a video or a camera, or pass --config SITE.toml")
    for option in ("output", "tracks"):
        if said[option] and len(sources) > 1:
            raise UsageError(
                f"--{option} takes one source; run once per video, use --events alone, or give "
                f"each source of --config its own {option}"
            )
    model = {name: said[name] for name in ("runtime", "precision", "device")}
    days, crops = said["retention_days"], said["crops"]
    explain = said["explain"]
    if days is not None and not (crops or explain or said["store"]):
        raise UsageError(
            "--retention-days counts for --store, --crops and --explain, and none is given"
        )
    privacy = {name: said[name] for name in ("include_sensitive", "blur_faces", "audit")}
    return parts.Site(
        sources=tuple(
            parts.SourceSection.parse(
                source,
                max_frames=said["max_frames"],
                output=said["output"],
                tracks=said["tracks"],
                zones=tuple(map(parse_zone, said["zone"] or ())),
                lines=tuple(map(parse_line, said["line"] or ())),
            )
            for source in sources
        ),
        model=parts.ModelSection(path=said["model"], **model),
        detector=said["detector"],
        pipeline=PipelineOptions(detect_every=said["detect_every"]),
        crops=parts.CropsSection(folder=crops, retention_days=days) if crops else None,
        evidence=parts.EvidenceSection(folder=explain, retention_days=days) if explain else None,
        privacy=parts.PrivacySection(**privacy),
        **_sinks_of(said),
    )


def _sinks_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Where results go; to standard output if nothing else is asked for."""
    from edgeattr.cli import site_config as parts

    store, mqtt, webhook, port = (said[name] for name in ("store", "mqtt", "webhook", "metrics"))
    events, days = said["events"], said["retention_days"]
    page = _page_of(said)
    nowhere = not (said["output"] or said["tracks"] or store or mqtt or webhook or page)
    return {
        "events": parts.EventsSection(file=events) if events or nowhere else None,
        "store": parts.StoreSection(path=store, retention_days=days) if store else None,
        "mqtt": parts.MqttSection(url=mqtt) if mqtt else None,
        "webhook": parts.WebhookSection(url=webhook) if webhook else None,
        "metrics": parts.MetricsSection(port=port) if port is not None else None,
        "web": page,
    }


def _page_of(said: Mapping[str, Any]) -> WebSection | None:
    from edgeattr.cli.site_config import WebSection

    port, host, stay = (said[name] for name in ("web", "web_host", "web_stay"))
    if port is None:
        if host is not None or stay:
            raise UsageError("--web-host and --web-stay count for the page; add --web PORT")
        return None
    return WebSection(port=port, stay=stay, **({} if host is None else {"host": host}))


def _refuse_others(context: typer.Context) -> None:
    """With a site's file no option counts that the file could say."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in _BESIDE_CONFIG and source is not None and source.name == "COMMANDLINE":
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{'sources' if name == 'sources' else option} and --config cannot go together: "
                "say it in the file (docs/video.md)"
            )
