"""A site from start to end: signals, progress, and what is said when it is over."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from edgeattr.cli.detector import open_detector
from edgeattr.cli.progress import ProgressLine, note
from edgeattr.cli.service import Service
from edgeattr.core.errors import EdgeAttrError

if TYPE_CHECKING:
    from edgeattr.cli.site_config import Site
    from edgeattr.cli.site_runner import Runner
    from edgeattr.model import AttributeModel
    from edgeattr.outputs import Windows
    from edgeattr.video.status import StreamStatus

__all__ = ["run_site"]

_STEP = 0.2  # seconds between two looks at how it goes
_log = logging.getLogger("edgeattr.run")


def run_site(site: Site, *, config: Path | None, show: bool, quiet: bool) -> None:
    """Run until all sources have ended or somebody stops it.

    Args:
        site: what is to be run.
        config: its file, read again on SIGHUP.
        show: whether to show windows.
        quiet: no progress, only errors.

    Raises:
        typer.Exit: 1 where a source or a sink failed.
        KeyboardInterrupt: a run of files was stopped before its end.
    """
    from edgeattr.cli.site_runner import Runner
    from edgeattr.outputs import Windows

    windows = Windows() if show else None
    with contextlib.ExitStack() as opened:
        finder = opened.enter_context(
            contextlib.closing(
                open_detector(site.detector, quiet, threads=1, side=site.detector_input or None)
            )
        )
        model = opened.enter_context(_model_of(site))
        about = model.describe()
        note(
            f"model: {site.model.path}, {about.precision} on {about.engine} {about.device}; "
            f"detector: {finder.name}, {finder.precision} on {finder.engine}",
            quiet=quiet,
        )
        asked = opened.enter_context(_signals(config))
        runner = Runner(site, model, finder, show=windows.sinks if windows else _no_sinks)
        with contextlib.closing(runner):
            _tell_page(runner, quiet)
            stay = bool(site.web and site.web.stay)
            run = _Run(
                runner=runner,
                config=config,
                windows=windows,
                asked=asked,
                service=Service(),
                quiet=quiet,
            )
            stopped = _watch(run, stay=stay)
        _conclude(runner, site, quiet)
        if runner.unfinished:  # their threads would keep the program from ending
            sys.stderr.flush()
            os._exit(1)
    if stopped and not runner.is_live:
        raise KeyboardInterrupt
    if runner.failures or runner.sink_failures or any(s.error for s in runner.summaries()):
        raise typer.Exit(1)


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


def _no_sinks(name: str) -> tuple[()]:
    return ()


@dataclass(frozen=True, eq=False, kw_only=True)
class _Run:
    """A run, and all that has a say in how long it goes on."""

    runner: Runner
    config: Path | None  # of the site, read again when asked for
    windows: Windows | None
    asked: _Asked
    service: Service
    quiet: bool

    @property
    def is_stopped(self) -> bool:
        """Whether somebody does not want it any more."""
        return self.asked.stop or bool(self.windows and not self.windows.show())


def _watch(run: _Run, *, stay: bool) -> bool:
    """Look after a run until it ends; gives whether it was stopped before that."""
    run.service.ready()
    while True:
        _follow(run)
        stopped = run.asked.stop
        if stopped or not stay or not run.runner.wait(0):
            break
        if not _stay(run):
            break
    run.service.stopping()
    if run.windows:
        run.windows.close()
    return stopped


def _follow(run: _Run) -> None:
    """Until all sources have ended, or somebody stops it."""
    began, runner = time.monotonic(), run.runner
    with _progress(runner, run.quiet) as bar:
        while not runner.wait(_STEP):
            if not runner.is_stuck:  # or the service manager should start it again
                run.service.alive()
            _show(bar, runner.status())
            if run.is_stopped:
                break
            _reload(run)
        _show(bar, runner.status(), time.monotonic() - began)


def _tell_page(runner: Runner, quiet: bool) -> None:
    """Where the page is; always where only this line tells its token."""
    if page := runner.page:
        note(f"live page: {page.link}", quiet=quiet and not page.made_up_token)


def _stay(run: _Run) -> bool:
    """All sources have ended: show the page. Gives whether there are sources again."""
    note("all sources have ended; the page stays until Ctrl-C", quiet=run.quiet)
    while run.runner.wait(0):  # pictures still grow too old
        run.service.alive()
        if run.is_stopped:
            return False
        _reload(run)
        time.sleep(_STEP)
    return True


@dataclass
class _Asked:
    """What signals have asked for."""

    stop: bool = False
    reload: bool = False


@contextlib.contextmanager
def _signals(config: Path | None) -> Iterator[_Asked]:
    """SIGINT and SIGTERM ask to end, and cannot disturb the ending; SIGHUP asks to read again.

    A second Ctrl-C raises KeyboardInterrupt: somebody does not want to wait.
    """
    asked = _Asked()

    def stop(number: int, frame: FrameType | None) -> None:
        if asked.stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.stop = True

    def reload(number: int, frame: FrameType | None) -> None:
        asked.reload = True

    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if config and hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = reload
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reload(run: _Run) -> None:
    """Read the site's file again, if somebody asked for it."""
    from edgeattr.cli.site_config import load_site

    config, asked = run.config, run.asked
    if not (asked.reload and config):
        return
    asked.reload = False
    try:
        run.runner.reload(load_site(config))
    except (EdgeAttrError, OSError, RuntimeError) as error:
        _log.error("%s was not read again, all goes on as before: %s", config, error)
    else:
        _log.info("%s was read again", config)


def _progress(runner: Runner, quiet: bool) -> ProgressLine:
    streams = runner.status()
    title = Path(streams[0].stream).name if len(streams) == 1 else f"{len(streams)} streams"
    return ProgressLine(title, runner.announced_frames, quiet=quiet)


def _show(bar: ProgressLine, streams: list[StreamStatus], whole_s: float | None = None) -> None:
    """How it goes; at the end, after so many seconds, the mean rate."""
    frames = sum(stream.frames for stream in streams)
    running = (stream.frames_per_second for stream in streams if stream.state == "running")
    rate = sum(running) if whole_s is None else frames / max(whole_s, 0.001)
    people = sum(stream.people for stream in streams)
    detail = f"{rate:.1f} frames/s, {people} people"
    if dropped := sum(stream.dropped_frames for stream in streams):
        detail += f", {dropped} frames dropped"
    if away := sum(stream.live and stream.state != "running" for stream in streams):
        detail += f", {away} of {len(streams)} cameras away"
    bar.update(frames, detail)


def _conclude(runner: Runner, site: Site, quiet: bool) -> None:
    """What came of each stream, and where it is."""
    from edgeattr.outputs import EventsFile

    outputs = {source.spec.shown: source.output for source in site.sources}
    torn = any(sink.failures and isinstance(sink.sink, EventsFile) for sink in runner.sinks)
    events = site.events.file if site.events and not torn else None
    for failure in runner.failures:
        note(f"edgeattr: {failure}")
    for summary in runner.summaries():
        video = outputs.get(summary.stream)
        video = video if video and video.exists() else None
        places = [str(place) for place in (events, video) if place]
        note(
            f"{summary.stream}: {summary.frames} frames, {summary.people} people, "
            f"{summary.crops_classified} of {summary.crops_seen} crops classified"
            + (f"; wrote {' and '.join(places)}" if places else ""),
            quiet=quiet,
        )
        if summary.error:
            note(f"edgeattr: {summary.error}")
    if runner.evidence and (missing := runner.evidence.dropped + runner.evidence.failed):
        note(f"edgeattr: {missing} pictures that explain answers were not made")
    for sink in runner.sinks:
        if sink.failures:
            note(f"edgeattr: {sink.name}: {sink.failures} events were lost: {sink.last_failure}")
        delivery = sink.status().delivery
        if delivery and delivery.waiting:
            note(f"edgeattr: {sink.name}: {delivery.waiting} events wait on disk for the next run")
