"""A site at work: its sinks, its pipeline, its streams, as its configuration says."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence

from edgeattr.cli.open_outputs import open_sinks
from edgeattr.cli.site_config import Site, SourceSection
from edgeattr.core.closing import Closing
from edgeattr.core.errors import EdgeAttrError
from edgeattr.core.limits import available_cores
from edgeattr.model import AttributeModel
from edgeattr.outputs import AuditLog, Guarded, LateVideoFile, MetricsServer
from edgeattr.outputs.explanation_writer import EvidenceFolder
from edgeattr.outputs.thumbnails import CropFolder
from edgeattr.video.detectors import Detector
from edgeattr.video.frame_annotator import FrameSink
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources import Source, open_source
from edgeattr.video.status import StreamStatus
from edgeattr.video.summary import Summary
from edgeattr.web import Board, WebServer

__all__ = ["Runner"]

_SWEEP = 600.0  # seconds between two looks for crops that are too old

_log = logging.getLogger("edgeattr.video")


class Runner(Closing):
    """Runs a site. A context manager.

    Live sources run all at once; of files, as many at once as the machine has cores. A source that
    cannot be opened gets a summary that says so, and costs the others nothing.

    Args:
        site: what is to be run.
        model: reads attributes off crops. Not closed with the runner.
        detector: finds people. Not closed with the runner.
        show: gives further sinks for a stream's annotated frames.

    Raises:
        OutputError: a result cannot be written where it was asked for.
        MissingDependency: a sink needs a package that is not installed.
    """

    def __init__(
        self,
        site: Site,
        model: AttributeModel,
        detector: Detector,
        *,
        show: Callable[[str], Sequence[FrameSink]] = lambda name: (),
    ) -> None:
        self.failures: list[str] = []  # of sources that could not be opened
        self._site, self._show = site, show
        self._blurred = site.privacy.blur_faces or site.pipeline.blur_faces
        self._reloading = False
        self._crops: CropFolder | None = None
        self.evidence: EvidenceFolder | None = None
        self._swept = -_SWEEP
        self._waiting: collections.deque[SourceSection] = collections.deque()
        self._expected: list[int | None] = []  # frames of each source that was opened
        self._running: dict[str, SourceSection] = {}
        self._open = contextlib.ExitStack()
        self.metrics_address: str | None = None  # of its web server, http://...
        self.page: WebServer | None = None  # the live page, where it was asked for
        self._unopened: dict[str, str] = {}  # why, by stream
        with contextlib.ExitStack() as opening:
            self._open_all(opening, model, detector)
            self._tell_audit()
            for section in site.sources:
                self._begin(section)
            self._open = opening.pop_all()

    def status(self) -> list[StreamStatus]:
        """How the streams are doing."""
        return self._pipeline.status()

    def summaries(self) -> list[Summary]:
        """What happened so far on each stream that was opened."""
        return self._pipeline.summaries()

    @property
    def is_live(self) -> bool:
        """Whether any source goes on until it is stopped."""
        return any(section.is_live or section.loop for section in self._running.values())

    @property
    def announced_frames(self) -> int | None:
        """Frames that all sources are going to give, where that is known."""
        if self._waiting or None in self._expected:
            return None
        return sum(filter(None, self._expected))

    @property
    def unfinished(self) -> list[str]:
        """Streams that did not end when they were told to: something hangs."""
        return self._pipeline.unfinished

    @property
    def is_stuck(self) -> bool:
        """Whether frames come and none is finished on any stream."""
        return self._pipeline.is_stuck

    @property
    def sink_failures(self) -> int:
        """Events that a sink did not take."""
        return sum(sink.failures for sink in self.sinks)

    def wait(self, seconds: float) -> bool:
        """Wait a while; begin files whose turn has come.

        A run of files ends with the first event that a sink does not take: nothing is gained by
        going on. A live run goes on.

        Returns:
            Whether all has ended.
        """
        self._pipeline.wait(seconds)
        self._sweep()
        if self.sink_failures and not self.is_live:
            self._waiting.clear()
            self._pipeline.stop()
        self._begin_files()
        return not self._waiting and self._pipeline.wait(0)

    def reload(self, site: Site) -> None:
        """Add, remove and restart sources until they are as a new configuration says.

        Other changes are told in the log, and count from the next start on.
        """
        wanted = {section.spec.shown: section for section in site.sources}
        changed = [name for name, section in self._running.items() if wanted.get(name) != section]
        self._pipeline.remove(*changed)
        for name in changed:
            del self._running[name]
            _log.info("%s was removed", name)
        self._unopened = {name: why for name, why in self._unopened.items() if name in wanted}
        self._waiting = collections.deque(
            section for section in self._waiting if section in site.sources
        )
        self._reloading = True
        for name, section in wanted.items():
            if name not in self._running and section not in self._waiting:
                self._begin(section)
        self._reloading = False
        for part in ("model", "detector", "pipeline", "events", "store", "mqtt", "webhook",
                     "metrics", "web", "crops", "evidence", "privacy"):  # fmt: skip
            if getattr(site, part) != getattr(self._site, part):
                _log.warning("the change of [%s] takes effect at the next start", part)

    def stop(self) -> None:
        """Ask all streams to end; people who are there get their records."""
        self._waiting.clear()
        if self.evidence:
            self.evidence.hurry()
        self._pipeline.stop()

    def close(self) -> None:
        """Stop, and finish all that is written. May be called twice."""
        self._open.close()

    def _open_all(
        self, opening: contextlib.ExitStack, model: AttributeModel, detector: Detector
    ) -> None:
        """Sinks first, so that they are closed last."""
        site = self._site
        self.sinks = open_sinks(site)
        opening.callback(self._close_sinks)
        self._audit = opening.enter_context(contextlib.closing(AuditLog(site.privacy.audit)))
        if crops := site.crops:
            self._crops = CropFolder(crops.folder, crops.retention_days)
        self._board = self._open_board(model)
        if evidence := site.evidence:
            self.evidence = EvidenceFolder(
                evidence.folder,
                model,
                retention_days=evidence.retention_days,
                every=evidence.all_attributes,
            )
            opening.enter_context(contextlib.closing(self.evidence))
        options = dataclasses.replace(site.pipeline, blur_faces=self._blurred)
        self._pipeline = opening.enter_context(
            Pipeline(
                model,
                detector,
                events=[*self.sinks, *self._shown],
                options=options,
                keep=self._crops.keep if self._crops else None,
                watch=self._board.see if self._board else None,
                explain=self.evidence.keep if self.evidence else None,
            )
        )
        if self.evidence:
            opening.callback(self.evidence.hurry)  # before streams are told to end
        if metrics := site.metrics:
            server = MetricsServer(self.status, self.sinks, host=metrics.host, port=metrics.port)
            opening.enter_context(contextlib.closing(server))
            self.metrics_address = server.address
        if self._board:
            self.page = opening.enter_context(self._open_page(self._board))

    def _open_board(self, model: AttributeModel) -> Board | None:
        """What the page shows; it counts for nothing in what a run has lost."""
        web, crops, store = self._site.web, self._site.crops, self._site.store
        self._shown: list[Guarded] = []
        if not web:
            return None
        days = [part.retention_days for part in (crops, store) if part and part.retention_days]
        names = [model.decision.schema.names[index] for index in model.decision.reported]
        board = Board(
            names, most=web.people, keep_days=min(days, default=None), pictures=bool(crops)
        )
        self._shown.append(Guarded(board))
        return board

    def _open_page(self, board: Board) -> WebServer:
        web, crops = self._site.web, self._site.crops
        assert web
        return WebServer(
            board,
            self.status,
            self.sinks,
            unopened=lambda: dict(self._unopened),
            crops=crops.folder if crops else None,
            host=web.host,
            port=web.port,
            token=web.token,
            hosts=web.hosts,
        )

    def _close_sinks(self) -> None:
        """At once: each may take seconds to hand on what waits."""
        with concurrent.futures.ThreadPoolExecutor(max(1, len(self.sinks))) as closing:
            list(closing.map(Guarded.close, self.sinks))

    def _begin(self, section: SourceSection) -> None:
        self._waiting.append(section)
        self._begin_files()

    def _begin_files(self) -> None:
        """Open what waits: all live sources, and files while there is a core for them."""
        cores = self._site.pipeline.workers or available_cores()
        files = sum(
            not status.live and status.state not in ("ended", "failed") for status in self.status()
        )
        for section in list(self._waiting):
            if section.is_live or files < cores:
                files += not section.is_live
                self._waiting.remove(section)
                self._add(section)

    def _add(self, section: SourceSection) -> None:
        name = section.spec.shown
        try:
            source = open_source(section.spec)
            self._pipeline.add(
                source, frames=self._frame_sinks(section, source), max_frames=section.max_frames
            )
        except EdgeAttrError as error:
            self.failures.append(str(error))
            if self._reloading:  # else it is told when all has ended
                _log.error("%s was not added: %s", name, error)
            self._unopened[name] = str(error)
            self._fail(Summary(stream=name, error=str(error)))
            return
        self._unopened.pop(name, None)
        limits = filter(None, (source.announced_frames, section.max_frames))
        self._expected.append(min(limits, default=None))
        self._running[name] = section
        if self._reloading:
            _log.info("%s was added", name)

    def _fail(self, summary: Summary) -> None:
        for sink in self.sinks:
            sink.write(summary.to_json())

    def _frame_sinks(self, section: SourceSection, source: Source) -> list[FrameSink]:
        sinks = list(self._show(source.name))
        if section.output:
            detail = {"file": str(section.output), "faces blurred": self._blurred}
            self._audit.write("annotated video is stored", detail)
            video = LateVideoFile(section.output, lambda: source.rate, hourly=source.live)
            sinks.append(video)
        return sinks

    def _tell_audit(self) -> None:
        site = self._site
        if site.privacy.include_sensitive:
            self._audit.write("sensitive attributes are reported", {"model": site.model.path})
        if self.page:
            self._audit.write("people are shown on a page", {"address": self.page.address})
        if site.crops:
            detail = {"folder": str(site.crops.folder), "days": site.crops.retention_days}
            self._audit.write("crops of people are stored", detail)
        if site.evidence:
            detail = {"folder": str(site.evidence.folder), "days": site.evidence.retention_days}
            self._audit.write("pictures that explain answers are stored", detail)

    def _sweep(self) -> None:
        """Delete pictures that are too old, now and then."""
        if time.monotonic() - self._swept < _SWEEP:
            return
        self._swept = time.monotonic()
        if self._crops and (deleted := self._crops.sweep()):
            self._audit.write("crops past their retention are deleted", {"crops": deleted})
        if self.evidence and (deleted := self.evidence.sweep()):
            self._audit.write("evidence past its retention is deleted", {"sheets": deleted})
