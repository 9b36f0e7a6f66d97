"""A site from start to end: signals, progress, and what is said when it is over."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from edgeattr.cli.person_detector import open_detector
from edgeattr.cli.progress import ProgressLine, note
from edgeattr.core.counted import counted
from edgeattr.core.errors import EdgeAttrError

if TYPE_CHECKING:
    from edgeattr.cli.site_config import Site
    from edgeattr.cli.site_pipeline import SitePipeline
    from edgeattr.model import AttributeModel
    from edgeattr.outputs import Windows
    from edgeattr.video.detectors import Detector
    from edgeattr.video.output import FailsafeOutput, Output
    from edgeattr.video.status import StreamStatus

_MOST_LABELS = 5  # of a person, in words
_STEP = 0.2  # seconds between two looks at how it goes
_log = logging.getLogger("edgeattr.run")
_BETWEEN = 1.0  # seconds between two signs of life


def run_site(site: Site, *, config: Path | None, show: bool, quiet: bool) -> None:
    """Run until all sources have ended or somebody stops it.

    Args:
        site: what is to be run.
        config: its file, read again on SIGHUP.
        show: whether to show windows.
        quiet: no progress, only errors.

    Raises:
        typer.Exit: 1 where a source or an output failed.
        KeyboardInterrupt: a run of files was stopped before its end.
    """
    from edgeattr.cli.site_pipeline import SitePipeline
    from edgeattr.outputs import Windows

    windows = Windows() if show else None
    with contextlib.ExitStack() as opened:
        detector = opened.enter_context(_detector_of(site, quiet))
        model = opened.enter_context(_model_of(site))
        about = model.describe()
        note(
            f"model: {site.model.path}, {about.precision} on {about.engine} {about.device}; "
            f"detector: {detector.name}, {detector.precision} on {detector.engine}",
            quiet=quiet,
        )
        requests = opened.enter_context(_signals(config))
        shown: list[Output] = [windows] if windows else []
        if not quiet:
            shown.append(PersonLines([source.shown for source in site.sources]))
        pipeline = SitePipeline(site, model, detector, shown=shown)
        with contextlib.closing(pipeline):
            _report_servers(pipeline, site, quiet)
            stay = bool(site.web and site.web.stay)
            stopped = _watch(
                pipeline, requests, config=config, windows=windows, stay=stay, quiet=quiet
            )
        _report_results(pipeline, site, quiet)
        if pipeline.unfinished:  # their threads would keep the program from ending
            sys.stderr.flush()
            os._exit(1)
    if stopped and not pipeline.is_live:
        raise KeyboardInterrupt
    if pipeline.failed:
        raise typer.Exit(1)


def _detector_of(site: Site, quiet: bool) -> Detector:
    chosen = site.detector
    return open_detector(
        chosen.path,
        quiet,
        threads=1,
        form=chosen.format,
        size=chosen.input,
        tiles=chosen.tiles,
    )


def _model_of(site: Site) -> AttributeModel:
    import edgeattr

    chosen = site.model
    return edgeattr.load(
        chosen.path,
        runtime=chosen.runtime,
        precision=chosen.precision,
        device=chosen.device,
        include_sensitive=site.privacy.include_sensitive,
    )


@dataclass
class _Requests:
    """What signals have asked for."""

    stop: bool = False
    reload: bool = False


@contextlib.contextmanager
def _signals(config: Path | None) -> Iterator[_Requests]:
    """SIGINT and SIGTERM ask to end, and cannot disturb the ending; SIGHUP asks to read again.

    A second Ctrl-C raises KeyboardInterrupt: somebody does not want to wait.
    """
    requests = _Requests()

    def stop(number: int, frame: FrameType | None) -> None:
        if requests.stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        requests.stop = True

    def reload(number: int, frame: FrameType | None) -> None:
        requests.reload = True

    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if config and hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = reload
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(
    pipeline: SitePipeline,
    requests: _Requests,
    *,
    config: Path | None,
    windows: Windows | None,
    stay: bool,
    quiet: bool,
) -> bool:
    """Look after a run until all has ended, or somebody stops it. Returns whether it was stopped
    before its end."""
    service, began, ended = SystemdNotifier(), time.monotonic(), False
    service.ready()
    with _progress(pipeline, quiet) as bar:
        while True:
            before, ended = ended, pipeline.advance(_STEP)
            if not pipeline.is_stuck:  # or the service manager should start it again
                service.alive()
            if not ended:
                _show(bar, pipeline.status())
            elif not before:
                _show(bar, pipeline.status(), time.monotonic() - began)
                text = "all sources have ended; the page stays until Ctrl-C"
                note(text, quiet=quiet or not stay)
            if requests.stop or (windows and not windows.show()) or (ended and not stay):
                break
            if requests.reload and config:
                requests.reload = False
                _reload(pipeline, config)
            if ended:
                time.sleep(_STEP)
        if not ended:
            _show(bar, pipeline.status(), time.monotonic() - began)
    service.stopping()
    if windows:
        windows.close_all()
    return requests.stop and not ended


def _report_servers(pipeline: SitePipeline, site: Site, quiet: bool) -> None:
    """Where page and metrics are; always where only this line tells a token or a port."""
    if page := pipeline.page:
        note(f"live page: {page.link}", quiet=quiet and not page.made_up_token)
    if site.metrics and not site.metrics.port:
        note(f"metrics: {pipeline.metrics_address}/metrics")


def _reload(pipeline: SitePipeline, config: Path) -> None:
    """Read the site's file again."""
    from edgeattr.cli.site_config import load_site

    try:
        pipeline.reload(load_site(config))
    except (EdgeAttrError, OSError, RuntimeError) as error:
        _log.error("%s was not read again, all goes on as before: %s", config, error)
    else:
        _log.info("%s was read again", config)


def _progress(pipeline: SitePipeline, quiet: bool) -> ProgressLine:
    streams = pipeline.status()
    title = Path(streams[0].stream).name if len(streams) == 1 else f"{len(streams)} streams"
    return ProgressLine(title, pipeline.announced_frames, quiet=quiet)


def _show(bar: ProgressLine, streams: list[StreamStatus], whole_s: float | None = None) -> None:
    """How it goes; at the end, after so many seconds, the mean rate."""
    frames = sum(stream.frames for stream in streams)
    running = (stream.frames_per_second for stream in streams if stream.state == "running")
    rate = sum(running) if whole_s is None else frames / max(whole_s, 0.001)
    people = sum(stream.people for stream in streams)
    detail = f"{rate:.1f} frames/s, {counted(people, 'person', 'people')}"
    if dropped := sum(stream.dropped_frames for stream in streams):
        detail += f", {counted(dropped, 'frame')} dropped"
    if away := sum(stream.live and stream.state != "running" for stream in streams):
        detail += f", {away} of {counted(len(streams), 'camera')} away"
    bar.update(frames, detail)


def _report_results(pipeline: SitePipeline, site: Site, quiet: bool) -> None:
    """What came of each stream, where it is, and what can be done next."""
    events = site.events.path if site.events and not pipeline.lost else None
    store = site.store.path if site.store and not pipeline.lost else None
    for failure in pipeline.failures.values():
        note(f"edgeattr: {failure}")
    summaries = pipeline.summaries()
    wrong = Counter(summary.error for summary in summaries if summary.error)
    for summary in summaries:
        videos = [path for stream, path in pipeline.videos if stream == summary.stream]
        places = [str(place) for place in (events, store, *videos[-1:]) if place]
        note(
            f"{summary.stream}: {counted(summary.frames, 'frame')}, "
            f"{counted(summary.people, 'person', 'people')}, "
            f"{summary.crops_classified} of {counted(summary.crops_seen, 'crop')} classified"
            + (f"; wrote {' and '.join(places)}" if places else ""),
            quiet=quiet,
        )
        if summary.error and wrong[summary.error] == 1:
            note(f"edgeattr: {summary.error}")
    for error, streams in wrong.items():
        if streams > 1:  # that all were stopped is said once
            note(f"edgeattr: {error}")
    for output in pipeline.outputs:
        _report_output(output)
    if not quiet and sys.stdout.isatty() and not (site.events or site.store or site.web):
        source = shlex.quote(site.sources[0].address)
        note(
            "next:\n"
            f"  edgeattr run {source} --output                # see it\n"
            f"  edgeattr run {source} --store people.sqlite   # keep it, then: edgeattr find "
            "backpack --store people.sqlite\n"
            f"  edgeattr run {source} --web 8080              # watch it live"
        )


def _report_output(output: FailsafeOutput) -> None:
    """What an output lost, and what did not get to where it should."""
    if output.promises and output.failures:
        kind = "picture" if output.field else "event"
        what = counted(output.failures, f"{kind} was", f"{kind}s were")
        note(f"edgeattr: {output.name}: {what} lost: {output.last_failure}")
    delivery = output.status().delivery
    if delivery and delivery.refused:
        events = counted(delivery.refused, "event")
        note(
            f"edgeattr: {output.name}: took nothing; all that was sent, {events}, was refused "
            f"({delivery.why_refused}) and dropped: check address, token and what it expects"
            if delivery.nothing_taken
            else f"edgeattr: {output.name}: refused there, and dropped: {events}"
        )
    if delivery and delivery.waiting:
        waiting = counted(delivery.waiting, "event waits", "events wait")
        note(f"edgeattr: {output.name}: {waiting} on disk for the next run")


class PersonLines:
    """An output that says on standard error who was seen. It promises nothing.

    Args:
        streams: their names. Of several each is named, in short where that tells it from others.
    """

    name = "lines of people"

    def __init__(self, streams: Sequence[str]) -> None:
        short = [Path(stream).name for stream in streams]
        self._named = len(streams) > 1
        self._shown = {
            stream: name
            for stream, name in zip(streams, short, strict=True)
            if short.count(name) == 1
        }

    def write(self, event: Mapping[str, Any]) -> None:
        """Say a person's record, or an alert; other events are not for reading."""
        line = {"person": person_line, "alert": alert_line}.get(event["type"])
        if line:
            stream = self._shown.get(event["stream"], event["stream"])
            note(f"{stream}: {line(event)}" if self._named else line(event))


def person_line(event: Mapping[str, Any]) -> str:
    """``person 4, 12.3 to 19.0 s: long hair, red top, backpack``."""
    labels = event.get("labels") or ()
    said = ", ".join(labels[:_MOST_LABELS]) or "nothing that tells them from others"
    return f"person {event['track']}, {event['first_s']:.1f} to {event['last_s']:.1f} s: {said}"


def alert_line(event: Mapping[str, Any]) -> str:
    """``alert loading: person 4 at 12.3 s: backpack, in zone dock``."""
    why = ", ".join(event["why"])
    return f"alert {event['alert']}: person {event['track']} at {event['at_s']:.1f} s: {why}"


class SystemdNotifier:
    """Tells the service manager that started this process, where there is one."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._last = 0.0

    def ready(self) -> None:
        """All is open, and frames are awaited."""
        self._tell("READY=1")

    def alive(self) -> None:
        """The main loop turns."""
        if time.monotonic() - self._last >= _BETWEEN:
            self._last = time.monotonic()
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(text.encode(), self._address)
