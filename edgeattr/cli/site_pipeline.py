"""The pipeline of a site: its servers, sources and outputs, as its configuration says."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeattr.cli.alert_rules import Places, alert_rules
from edgeattr.cli.site_config import Site, SourceSection
from edgeattr.core.errors import EdgeAttrError, InputError, OutputError
from edgeattr.core.limits import available_cores
from edgeattr.model import AttributeModel
from edgeattr.outputs import (
    AuditLog,
    EventsFile,
    ExplanationWriter,
    MetricsServer,
    MqttOutput,
    SegmentedVideo,
    StoreWriter,
    ThumbnailWriter,
    TracksFile,
    WebhookOutput,
)
from edgeattr.outputs.home_assistant import Camera, HomeAssistantOutput
from edgeattr.outputs.onvif import OnvifOutput
from edgeattr.video.detectors import Detector
from edgeattr.video.output import Output
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources import Source, open_source
from edgeattr.video.status import Summary

if TYPE_CHECKING:
    from edgeattr.web import WebServer

_SWEEP = 600.0  # seconds between two looks for pictures that are too old

_log = logging.getLogger("edgeattr.run")
_MIB = 1 << 20


class SitePipeline(Pipeline):
    """A pipeline that runs what a site's configuration asks for. A context manager.

    Live sources run all together; of files, as many together as the machine has cores. A source
    that cannot be opened gets a summary that says so, and costs the others nothing.

    Ports are bound and sources are opened before anything is opened for writing: a run that cannot
    begin leaves earlier results as they are.

    Args:
        site: what is to be run.
        model: reads attributes off crops. Not closed with the pipeline.
        detector: finds people. Not closed with the pipeline.
        shown: outputs for people who watch the run; closed with the pipeline.

    Raises:
        UsageError: a rule of an alert names what the model does not report.
        InputError: no source can be opened.
        OutputError: a result cannot be written where it was asked for, or a port is taken.
        MissingDependency: an output needs a package that is not installed.
    """

    def __init__(
        self,
        site: Site,
        model: AttributeModel,
        detector: Detector,
        *,
        shown: Sequence[Output] = (),
    ) -> None:
        self.failures: dict[str, str] = {}  # why a source could not be opened, by its name
        self.videos: list[tuple[str, Path]] = []  # that were completed, with their streams' names
        self.audit_failed = False  # a line of the audit log could not be written
        self.metrics_address: str | None = None  # of its web server, http://...
        self.page: WebServer | None = None  # the live page, where it was asked for
        self._site = site
        self._rules = alert_rules(site.alert, site.places, model.decision)
        self._audit = AuditLog(None)
        self._queue = collections.deque(site.sources)  # of sources that are not open yet
        self._expected: list[int | None] = []  # frames of each source that was opened
        self._running: dict[str, SourceSection] = {}
        self._swept = -_SWEEP
        self._open = contextlib.ExitStack()
        super().__init__(model, detector, options=site.processing)
        with contextlib.ExitStack() as opening:
            opening.callback(lambda: self._audit.close())
            opening.callback(super().close)
            watchers = self._open_servers(opening, model)
            with contextlib.ExitStack() as unless_begun:
                opened = list(self._open_sources())
                for _, source in opened:
                    unless_begun.callback(source.close)
                self._check_any(opened)
                for output in (*watchers, *shown):
                    self.add_output(output)
                self._open_outputs(model)
                unless_begun.pop_all()
            for name, error in self.failures.items():
                self._report_unopened(name, error)
            for section, source in opened:
                self._begin(section, source)
            self._open = opening.pop_all()

    @property
    def is_live(self) -> bool:
        """Whether any source goes on until it is stopped."""
        return any(section.is_endless for section in self._running.values())

    @property
    def announced_frames(self) -> int | None:
        """Frames that all sources are going to give, where that is known."""
        if self._queue or None in self._expected:
            return None
        return sum(filter(None, self._expected))

    @property
    def failed(self) -> bool:
        """Whether anything that was asked for was not done."""
        summaries = self.summaries()
        deliveries = [status.delivery for status in self.output_statuses()]
        wrong = self.failures or self.lost or self.audit_failed
        wrong = wrong or any(it and it.nothing_taken for it in deliveries)  # a wrong address, say
        return bool(wrong) or any(summary.error for summary in summaries)

    def advance(self, seconds: float) -> bool:
        """Wait a while; begin files whose turn has come.

        A run of files ends with the first event that an output does not take: nothing is gained by
        going on. A live run goes on.

        Returns:
            Whether all has ended.
        """
        self.wait(seconds)
        self._sweep()
        if self.lost and not self.is_live:
            self.stop()
        for section, source in self._open_sources():
            self._begin(section, source)
        return not self._queue and self.wait(0)

    def reload(self, site: Site) -> None:
        """Add, remove and restart sources until they are as a new configuration says.

        Other changes are logged, and take effect at the next start.
        """
        wanted = {section.shown: section for section in site.sources}
        changed = [name for name, section in self._running.items() if wanted.get(name) != section]
        self.remove(*changed)
        for name in changed:
            del self._running[name]
            _log.info("%s was removed", name)
        waiting = [section for section in self._queue if section in site.sources]
        new = [
            section
            for name, section in wanted.items()
            if name not in self._running and section not in waiting
        ]
        self._queue = collections.deque([*waiting, *new])
        self.failures = {}
        for section, source in self._open_sources():
            if self._begin(section, source):
                _log.info("%s was added", source.name)
        for name, error in self.failures.items():
            _log.error("%s was not added: %s", name, error)
        for part in dataclasses.fields(Site):
            name = part.name
            if name != "sources" and getattr(site, name) != getattr(self._site, name):
                _log.warning("the change of [%s] takes effect at the next start", name)
        for output in self.outputs:
            output.announce(_cameras(self._site, site.places))

    def stop(self) -> None:
        """Ask all streams to end; people who are there get their records."""
        self._queue.clear()
        super().stop()

    def close(self) -> None:
        """Stop, and complete all that is written. May be called twice."""
        self._open.close()

    def _open_servers(
        self, opening: contextlib.ExitStack, model: AttributeModel
    ) -> Sequence[Output]:
        """Bind the ports. Returns the outputs that the page shows, where there is one."""
        status, outputs, unopened = self.status, self.output_statuses, lambda: dict(self.failures)
        if metrics := self._site.metrics:
            server = MetricsServer(status, outputs, metrics.host, metrics.port, unopened)
            opening.enter_context(contextlib.closing(server))
            self.metrics_address = server.address
        site, web = self._site, self._site.web
        if not web:
            return ()
        from edgeattr.web import (
            LivePictures,
            PageContent,
            RecentPeople,
            SiteEvents,
            StoreSearch,
            WebServer,
        )

        days = [it.retention_days for it in (site.crops, site.store) if it and it.retention_days]
        names = [model.decision.schema.names[index] for index in model.decision.reported]
        people = RecentPeople(
            names,
            telling=frozenset(filter(self._context.ranking.tells, names)),
            most=web.people,
            keep_days=min(days, default=None),
            pictures=bool(site.crops),
            evidence=bool(site.evidence),
        )
        live, happenings = LivePictures() if web.pictures else None, SiteEvents()
        content = PageContent(
            people=people,
            status=status,
            outputs=outputs,
            unopened=unopened,
            happenings=happenings.to_json,
            crops=site.crops.path if site.crops else None,
            evidence=site.evidence.path if site.evidence else None,
            live=live,
            store=StoreSearch(site.store.path) if site.store else None,
        )
        self.page = opening.enter_context(
            WebServer(content, host=web.host, port=web.port, token=web.token, hosts=web.hosts)
        )
        return [people, happenings, *([live] if live else ())]

    def _open_sources(self) -> Iterator[tuple[SourceSection, Source]]:
        """Open what waits: all live sources, and files while there is a core for them."""
        cores = self._site.pipeline.workers or available_cores()
        files = sum(
            not status.live and status.state not in ("ended", "failed") for status in self.status()
        )
        for section in list(self._queue):
            if not section.is_live and files >= cores:
                continue
            self._queue.remove(section)
            try:
                source = open_source(section)
            except EdgeAttrError as error:
                self._report_unopened(section.shown, str(error))
            else:
                files += not section.is_live
                yield section, source

    def _check_any(self, opened: list[tuple[SourceSection, Source]]) -> None:
        """Refuse to begin where there is nothing to do, unless the page stays and says why."""
        stays = self._site.web and self._site.web.stay
        if self.failures and not opened and not stays:
            raise InputError("\nedgeattr: ".join(self.failures.values()))

    def _open_outputs(self, model: AttributeModel) -> None:
        """Open what is written, the audit log first."""
        site = self._site
        self._audit = AuditLog(site.privacy.audit)
        for output in open_outputs(site, model):
            self.add_output(output)
        if site.privacy.include_sensitive:
            self._audit.write("sensitive attributes are reported", {"model": site.model.path})
        if self.page and site.web:
            detail = {"address": self.page.address, "live pictures": site.web.pictures}
            self._audit.write("people are shown on a page", detail)
        kept = {
            "crops of people are kept": site.crops,
            "pages that explain answers are kept": site.evidence,
        }
        for act, part in kept.items():
            if part:
                self._audit.write(act, {"folder": str(part.path), "days": part.retention_days})

    def _begin(self, section: SourceSection, source: Source) -> bool:
        """Begin a stream. Returns whether it could begin; if not, outputs get its failure."""
        outputs: list[Output] = []
        try:
            if section.output:
                blurred = self._site.processing.blur_faces
                detail = {"file": str(section.output), "faces blurred": blurred}
                self._audit.write("an annotated video is being written", detail)
                outputs.append(
                    SegmentedVideo(
                        section.output,
                        self._site.video,
                        stored=functools.partial(self._note_video, source.name),
                    )
                )
            if section.tracks:
                outputs.append(TracksFile(section.tracks))
            self.add(
                source,
                outputs=outputs,
                zones=section.zones,
                lines=section.lines,
                alerts=self._rules,
                max_frames=section.max_frames,
            )
        except EdgeAttrError as error:
            source.close()
            self._report_unopened(source.name, str(error))
            return False
        limits = filter(None, (source.announced_frames, section.max_frames))
        self._expected.append(min(limits, default=None))
        self._running[source.name] = section
        return True

    def _report_unopened(self, name: str, error: str) -> None:
        """Record that a source could not be opened, and write its summary to all outputs."""
        self.failures[name] = error
        summary = Summary(stream=name, error=error)
        for output in self.outputs:
            output.write(summary.to_json())

    def _note_video(self, stream: str, path: Path) -> None:
        self.videos.append((stream, path))
        self._audit.write("an annotated video is complete", {"file": str(path)})

    def _sweep(self) -> None:
        """Delete pictures that are too old, now and then."""
        if time.monotonic() - self._swept < _SWEEP:
            return
        self._swept = time.monotonic()
        for output in self.outputs:
            if deleted := output.sweep():
                detail = {"output": output.name, "pictures": deleted}
                try:
                    self._audit.write("pictures past their retention are deleted", detail)
                except OutputError as error:  # the disk is full: streams go on
                    self.audit_failed = True
                    _log.error("the audit log has no line of %s: %s", detail, error)


def open_outputs(site: Site, model: AttributeModel) -> Iterator[Output]:
    """Open one after the other; the store first, so that what others tell is kept already.

    Args:
        site: asks for them.
        model: explains its answers.

    Raises:
        OutputError: one cannot be written, or another run writes to it.
        UsageError: an address or an option makes no sense.
        InputError: Home Assistant is to be told of an attribute that the model does not know.
        MissingDependency: one needs a package that is not installed.
    """
    if crops := site.crops:
        yield ThumbnailWriter(**vars(crops))
    if evidence := site.evidence:
        yield ExplanationWriter(model=model, **vars(evidence))
    if store := site.store:
        yield StoreWriter(**vars(store))
    if mqtt := site.mqtt:
        broker = MqttOutput(mqtt)
        yield broker
        if mqtt.home_assistant:
            for name in mqtt.attributes:
                model.decision.schema.index(name)  # raises where there is no such attribute
            yield HomeAssistantOutput(broker, _cameras(site, site.places))
        if mqtt.onvif:
            yield OnvifOutput(broker)
    if webhook := site.webhook:
        yield WebhookOutput(webhook)
    if events := site.events:
        most = round(events.rotate_mb * _MIB) if events.rotate_mb else None
        append = site.is_endless if events.append is None else events.append
        yield EventsFile(events.path, append=append, max_bytes=most, keep=events.keep)


def _cameras(site: Site, places: Mapping[str, Places]) -> list[Camera]:
    """What Home Assistant is told of each source, by rules and attributes of a site."""
    return [
        Camera(
            stream=stream,
            zones=own.zones,
            lines=own.lines,
            alerts=[rule.name for rule in site.alert if rule.camera in (None, stream)],
            attributes=site.mqtt.attributes if site.mqtt else (),
        )
        for stream, own in places.items()
    ]
