"""A site as data: its cameras, its model, and where results go; from one TOML file."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeattr.cli.alert_rules import AlertSection, Places, check_places
from edgeattr.core.config import build, read_toml, refused_entry, with_environment
from edgeattr.core.errors import InputError, UsageError
from edgeattr.outputs import MqttOptions, WebhookOptions
from edgeattr.outputs.video_file import VideoOptions, check_encoder, check_video_name
from edgeattr.video.detectors import FORMATS, parse_size, parse_tiles
from edgeattr.video.options import PipelineOptions
from edgeattr.video.sources import SourceSpec, check_camera, check_source
from edgeattr.video.sources.address import kind_of, local_path
from edgeattr.video.zone_monitor import ZoneMonitor
from edgeattr.video.zones import Line, Zone

_MOST_DAYS = 36_500  # that anything is kept
_NAMED = re.compile(r"(?P<name>[\w.-]+)=(?P<address>.+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """Which model runs, on what."""

    path: str = "default"  # a bundle, or the one that ships
    runtime: str = "auto"
    precision: str = "auto"
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class DetectorSection:
    """What finds people; ``detector = "PATH"`` says the path alone."""

    path: str = "auto"  # a known name, a bundle, or a file
    format: str | None = None  # of a file, where it does not tell; see `--detector-format`
    input: str = ""  # pixels of the longer side, or WIDTHxHEIGHT; the detector's own where absent
    tiles: str = ""  # COLUMNSxROWS in which people are looked for beside the whole frame

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise UsageError(f"no detector format {self.format!r}; there are: {', '.join(FORMATS)}")
        if self.input:
            parse_size(self.input)
        if self.tiles:
            parse_tiles(self.tiles)


@dataclass(frozen=True, kw_only=True)
class TrackingSection:
    """How people are told apart."""

    appearance: bool = True  # by what they look like too, not by movement alone


@dataclass(frozen=True, kw_only=True)
class EventsSection:
    """Records as JSON Lines."""

    path: Path | None = None  # "-", or None: standard output
    append: bool | None = None  # keep what is there; None: if a source goes on until it is stopped
    rotate_mb: float | None = None  # begin a new file beyond this size, MiB
    keep: int = 5  # old files that are kept

    def __post_init__(self) -> None:
        if self.path == Path("-"):
            object.__setattr__(self, "path", None)
        if self.rotate_mb is not None and not self.rotate_mb > 0:
            raise UsageError(f"rotate_mb is {self.rotate_mb:g}; expected MiB, above 0")
        if self.keep < 1:
            raise UsageError(f"keep is {self.keep}; expected 1 old file or more")


@dataclass(frozen=True, kw_only=True)
class _KeptSection:
    """What is kept of people, and for how long."""

    path: Path  # a file, or a folder
    retention_days: float | None = None  # after which records or pictures are deleted

    def __post_init__(self) -> None:
        _check_days(self.retention_days)


@dataclass(frozen=True, kw_only=True)
class StoreSection(_KeptSection):
    """Records in SQLite."""


@dataclass(frozen=True, kw_only=True)
class MqttSection(MqttOptions):
    """Records to an MQTT broker."""

    home_assistant: bool = False  # announce sensors by Home Assistant's MQTT discovery
    onvif: bool = False  # publish records as ONVIF metadata of human bodies too
    attributes: tuple[str, ...] = ()  # of which Home Assistant is told how many in view have them

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attributes and not self.home_assistant:
            raise UsageError(
                "attributes of [mqtt] are told to Home Assistant alone; add home_assistant = true, "
                "or leave them out: records have all of them"
            )


@dataclass(frozen=True, kw_only=True)
class MetricsSection:
    """Prometheus metrics and health, over HTTP."""

    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class WebSection:
    """The live page, over HTTP."""

    port: int = 8080  # 0 takes a free one
    host: str = "127.0.0.1"  # on any but this machine's own address a token is asked for
    token: str | None = None  # None: EDGEATTR_WEB_TOKEN, or one that is made up
    hosts: tuple[str, ...] = ()  # further names under which a proxy on this machine asks for it
    people: int = 500  # that the page remembers, the latest
    stay: bool = False  # show it until stopped, also when all files have ended
    pictures: bool = False  # let visitors see the cameras' annotated pictures, one a second

    def __post_init__(self) -> None:
        if not 1 <= self.people <= 10_000:
            raise UsageError(f"the page's people are {self.people}; expected 1 to 10000")


@dataclass(frozen=True, kw_only=True)
class CropsSection(_KeptSection):
    """One picture of each person, in a folder."""


@dataclass(frozen=True, kw_only=True)
class EvidenceSection(_KeptSection):
    """One page of each person that shows where the model looked, in a folder."""

    all_attributes: bool = False  # also of what is answered no or unknown


@dataclass(frozen=True, kw_only=True)
class PrivacySection:
    """What is reported and kept of people."""

    include_sensitive: bool = False  # age and gender
    blur_faces: bool = False  # in annotated videos
    audit: Path | None = None  # one line for each act that touches privacy
    retention_days: float | None = None  # of store, crops and evidence that say none themselves

    def __post_init__(self) -> None:
        _check_days(self.retention_days)


@dataclass(frozen=True, kw_only=True)
class SourceSection(SourceSpec):
    """One camera or file, and how it is read."""

    max_frames: int | None = None  # stop after so many
    output: Path | None = None  # an annotated MP4; of a live source one an hour, by its time
    tracks: Path | None = None  # who is where in each frame, in MOTChallenge's format
    zones: tuple[Zone, ...] = ()  # where people are counted, and for how long they stay
    lines: tuple[Line, ...] = ()  # where crossings are counted

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError(f"max_frames is {self.max_frames}; expected 1 or more")
        if self.output:
            check_video_name(self.output)
        ZoneMonitor(self.zones, self.lines)  # refuses two of one name

    @property
    def is_live(self) -> bool:
        """Whether it is a camera or a stream, not a file."""
        try:
            return kind_of(self.address) not in ("file", "folder")
        except InputError:  # a path that cannot be looked at; opening it says why
            return False

    @property
    def is_endless(self) -> bool:
        """Whether it goes on until it is stopped."""
        return self.is_live or self.loop


@dataclass(frozen=True, kw_only=True)
class Site:
    """The configuration of `edgeattr run`."""

    sources: tuple[SourceSection, ...]
    model: ModelSection = ModelSection()
    detector: DetectorSection = DetectorSection()
    tracking: TrackingSection = TrackingSection()
    pipeline: PipelineOptions = field(default_factory=PipelineOptions)
    events: EventsSection | None = None
    store: StoreSection | None = None
    mqtt: MqttSection | None = None
    webhook: WebhookOptions | None = None
    metrics: MetricsSection | None = None
    video: VideoOptions = field(default_factory=VideoOptions)  # of each source that has an output
    web: WebSection | None = None
    crops: CropsSection | None = None
    evidence: EvidenceSection | None = None
    privacy: PrivacySection = field(default_factory=PrivacySection)
    alert: tuple[AlertSection, ...] = ()  # rules asked of each person

    def __post_init__(self) -> None:
        names = [source.shown for source in self.sources]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(
                f"there are two streams called {repeated[0]!r}; give one of them another name"
            )
        check_places(self.alert, self.places)
        if any(source.output for source in self.sources):
            check_encoder(self.video.encoder)
        self._set_retention()
        self._check_files()

    @property
    def processing(self) -> PipelineOptions:
        """How streams are processed, by all sections that say so."""
        return dataclasses.replace(
            self.pipeline,
            blur_faces=self.privacy.blur_faces or self.pipeline.blur_faces,
            appearance=self.tracking.appearance and self.pipeline.appearance,
        )

    @property
    def is_endless(self) -> bool:
        """Whether the run goes on until it is stopped."""
        return any(source.is_endless for source in self.sources)

    @property
    def results(self) -> list[Path]:
        """The files that are written."""
        written = [path for source in self.sources for path in (source.output, source.tracks)]
        written += [part.path for part in (self.events, self.store) if part]
        written += [self.privacy.audit]
        written += [part.spool for part in (self.mqtt, self.webhook) if part]
        return [place for place in written if place]

    @property
    def places(self) -> dict[str, Places]:
        """Names of zones and lines, by the source's name."""
        return {
            source.shown: Places(
                tuple(zone.name for zone in source.zones), tuple(line.name for line in source.lines)
            )
            for source in self.sources
        }

    def _set_retention(self) -> None:
        """Have store, crops and evidence keep as long as all does, unless they say otherwise."""
        days = self.privacy.retention_days
        parts = {name: getattr(self, name) for name in ("store", "crops", "evidence")}
        if days is not None and not any(parts.values()):
            raise UsageError(
                "retention_days counts for stores, crops and explanations (--store, --crops, "
                "--explain), and none is asked for"
            )
        for name, part in parts.items():
            if part and part.retention_days is None:
                object.__setattr__(self, name, dataclasses.replace(part, retention_days=days))

    def _check_files(self) -> None:
        """Refuse results that would replace each other, or what the run reads."""
        read = [*(source.address for source in self.sources), self.detector.path, self.model.path]
        places = self.results
        folders = [part.path for part in (self.crops, self.evidence) if part]
        for number, place in enumerate(places):
            if not place.name:
                raise UsageError(f"{place} is a folder; name a file")
            if any(_same_file(place, folder) for folder in folders):
                raise UsageError(f"{place} would be a file and a folder of pictures")
            if any(_same_file(place, other) for other in places[:number]):
                raise UsageError(f"two results would be written to {place}")
            if any(_same_file(place, Path(local_path(name) or name)) for name in read):
                raise UsageError(f"{place} is an input of this run; write the result elsewhere")

    def check_sources(self) -> None:
        """Refuse sources that cannot be meant or are not there, without opening them.

        Raises:
            UsageError, InputError: see ``check_source`` and ``check_camera``.
        """
        for source in self.sources:
            check_source(source.address)
            check_camera(source.address)


def named_source(text: str) -> dict[str, str]:
    """The keys of ``[NAME=]ADDRESS``; a file that has the whole for its name comes first."""
    named = _NAMED.fullmatch(text)
    if named is None or os.path.exists(text):  # noqa: PTH110 - it may be any text
        return {"address": text}
    return named.groupdict()


def load_site(path: Path) -> Site:
    """Read a site's TOML file.

    ``${NAME}`` stands for an environment variable, so that passwords need not be in the file.
    Paths are taken from the folder of the file.

    Raises:
        InputError: missing, or not TOML.
        UsageError: an unknown key, a value of the wrong type, a variable that is not set, two
            streams of one name.
    """
    values = with_environment(read_toml(path, what="site"), where=str(path))
    if not values.get("sources"):
        raise UsageError(f"{path} names no source; write [[sources]] and address = ... for each")
    if isinstance(detector := values.get("detector"), str):
        values["detector"] = {"path": detector}
    try:
        site: Site = _beside(build(Site, values, what="site"), path.parent)
        if any(_same_file(place, path) for place in site.results):
            raise UsageError("a result would replace this file; write it elsewhere")
    except UsageError as error:
        place = refused_entry(Site, values, error)
        raise UsageError(f"{path}: {place}{': ' if place else ''}{error}") from error
    return site


def _beside(value: Any, folder: Path) -> Any:
    """Paths of a dataclass, and of those inside it, taken from a folder."""
    if isinstance(value, Path):
        return folder / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_beside(entry, folder) for entry in value)
    if isinstance(value, SourceSection) and not value.is_live and "://" not in value.address:
        value = dataclasses.replace(value, address=str(folder / value.address))
    if isinstance(value, ModelSection | DetectorSection) and (folder / value.path).exists():
        value = dataclasses.replace(value, path=str(folder / value.path))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            entry.name: _beside(getattr(value, entry.name), folder)
            for entry in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **changed)
    return value


def _check_days(days: float | None) -> None:
    if days is not None and not 0 < days <= _MOST_DAYS:
        raise UsageError(f"retention_days is {days:g}; expected above 0, {_MOST_DAYS} at most")


def _same_file(first: Path, second: Path) -> bool:
    try:
        return first.absolute() == second.absolute() or first.samefile(second)
    except (OSError, ValueError):
        return False
