"""An archive of videos, read on all cores of a machine or of a cluster, with Ray.

    pip install "edgeattr[ray]"
    python examples/archive_with_ray.py VIDEOS --out OUT --workers 4
    python examples/archive_with_ray.py VIDEOS --out OUT --workers 32 --address ray://head:10001

VIDEOS/a/b.mp4 becomes OUT/a/b.mp4.jsonl: a line for each person, for each time that somebody
entered or left a zone, crossed a line or raised an alert, and a summary at the end:

    --zone "door=0.6,0.2,1,0.2,1,1,0.6,1" --line "gate=0.5,1,0.5,0" \\
    --alert "red at the door=red upper_body and in zone door"

A result gets its name only once it is whole, so after a crash, a kill or a power cut the same
command goes on: videos that have a result are passed over, unless they or what is asked of them
(zones, lines, alerts) have changed. A worker that dies is replaced and its video tried again; a
video that fails stands in OUT/failed.jsonl with the reason, and the rest goes on.
OUT/manifest.jsonl lists all results. Exit code 0: every video has its result. Hidden files and
folders, whose names begin with a dot, are no part of the archive.

On a cluster, VIDEOS and OUT are paths that every node sees (NFS or the like), and every node has
the same Python, Ray and edgeattr. Files given as --model and --detector are sent to the workers;
a model's name, as `default`, is looked up by each node itself.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import fcntl
import json
import logging
import os
import platform
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

import edgeattr
from edgeattr.cli.alert_rules import AlertSection, Places, alert_rules, check_places
from edgeattr.core import hub
from edgeattr.core.errors import RuntimeFailure, UsageError
from edgeattr.core.files import write_atomically
from edgeattr.core.limits import available_cores
from edgeattr.outputs import EventsFile
from edgeattr.outputs.jsonl import encode_event
from edgeattr.video.detectors import open_detector
from edgeattr.video.options import PipelineOptions
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources import SourceSpec
from edgeattr.video.zones import Line, Zone, parse_line, parse_zone

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    sys.exit(f'{error}; this example needs Ray: pip install "edgeattr[ray]"')

_SUFFIXES = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".ts", ".264", ".h264"}
_TORN = re.compile(r"\..+-[a-z0-9_]{8}\.(jsonl|partial)", re.DOTALL)  # not yet in its place
_TAIL = 1 << 16  # bytes in which a summary, the last line of a result, has room
_PATIENCE = 30.0  # seconds without a sign of any worker, after which that is said

Summary = dict[str, Any]
"""A video's last line: frames, seconds, people, ...; with "error" where it failed."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """One file of the archive."""

    name: str  # its path within the archive, as it is shown
    path: Path  # where every node finds it
    result: Path  # where its people go
    version: tuple[int | str, ...]  # bytes, time of change in ns, what is asked of it: another
    # one has to be read again


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every video is asked.

    Raises:
        UsageError: a rule names a zone or line that there is not, or is none.
    """

    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    alerts: tuple[AlertSection, ...] = ()

    def __post_init__(self) -> None:
        check_places(self.alerts, self.places)

    @property
    def places(self) -> dict[str, Places]:
        """Names that rules may have, the same for all videos."""
        zones, lines = (tuple(place.name for place in it) for it in (self.zones, self.lines))
        return {"the archive": Places(zones, lines)}


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """A file or folder on its way to another machine."""

    name: str  # of the file or folder; or what the machine itself knows it by
    files: Mapping[str, bytes] | None  # by their paths inside the folder; None: just the name

    @classmethod
    def pack(cls, path: Path) -> Shipped:
        """What lies there; a model of OpenVINO comes with its weights."""
        if path.is_dir():
            found = {file: file.relative_to(path) for file in path.rglob("*") if file.is_file()}
        else:
            files = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
            found = {file: Path(file.name) for file in files}
        content = {str(name): file.read_bytes() for file, name in found.items()}
        return cls(name=path.name, files=content)

    def unpack(self, folder: Path) -> str:
        """Where it lies now."""
        if self.files is None:
            return self.name
        single = self.name in self.files
        for name, content in self.files.items():
            write_atomically(folder / ("" if single else self.name) / name, content)
        return str(folder / self.name)


class Collected(list[Mapping[str, Any]]):
    """An output that keeps events: a video's people are few enough for that."""

    name, promise = "events", "kept in memory"

    def write(self, event: Mapping[str, Any]) -> None:
        """Keep one."""
        self.append(event)


class Worker:
    """A process with a model and a detector, which stay loaded from video to video."""

    def __init__(self, model: Shipped, detector: Shipped, threads: int, asked: Asked) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong with a video we say
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        cv2.setNumThreads(threads)
        with tempfile.TemporaryDirectory(prefix="edgeattr-") as folder:
            self._detector = open_detector(detector.unpack(Path(folder, "detector")), threads=1)
            self._model = edgeattr.load(model.unpack(Path(folder, "model")), threads=threads)
        self._options = PipelineOptions(workers=threads)
        self._asked = asked
        self._rules = alert_rules(asked.alerts, asked.places, self._model.decision)

    def ready(self) -> str:
        """Who this is, once it can begin."""
        about = self._model.describe()
        runs = f"{about.precision} on {about.engine} {about.device}"
        return f"process {os.getpid()} on {platform.node()}: {runs}"

    def read(self, video: Video) -> Summary:
        """Read one video and write its result."""
        try:
            return self._read(video)
        except Exception as error:  # of this video: the next one may be sound
            said = str(error) if isinstance(error, edgeattr.EdgeAttrError) else repr(error)
            return {"type": "summary", "stream": video.name, "error": readable(said)}

    def _read(self, video: Video) -> Summary:
        events = Collected()
        with Pipeline(self._model, self._detector, outputs=[events], options=self._options) as run:
            run.add(
                SourceSpec(address=str(video.path), name=video.name),
                zones=self._asked.zones,
                lines=self._asked.lines,
                alerts=self._rules,
            )
            run.wait()
        told, summary = events[:-1], {**events[-1], "source": list(video.version)}
        partial = video.result.with_suffix(".partial")  # of a damaged video: what was in it
        text = b"".join(encode_event(event) + b"\n" for event in [*told, summary])
        write_atomically(partial if "error" in summary else video.result, text)
        if "error" not in summary:
            partial.unlink(missing_ok=True)
        return summary


def spread(
    start: Callable[[], Any], workers: int, videos: list[Video], retries: int
) -> Iterator[tuple[Video, Summary]]:
    """Read videos, and give the outcome of each as it comes.

    A worker, which ``start`` makes, has one video at a time, so no more than that is under way,
    however many wait. A video that was there when a worker died is tried again so many times, and
    so is the start of a worker that died while it was loading.

    Raises:
        RuntimeFailure: no worker can be started.
    """
    waiting = collections.deque((video, 0) for video in videos)
    busy: dict[Any, tuple[Any, Video | None, int]] = {}  # by call: worker, its video, tries before
    broken, reason = 0, ""  # workers in a row that never came to work

    def launch() -> None:
        worker = start()
        busy[worker.ready.remote()] = worker, None, 0

    for _ in range(min(workers, len(waiting))):
        launch()
    while busy and (waiting or any(video for _, video, _ in busy.values())):
        for call in answered(busy):
            worker, video, tries = busy.pop(call)
            try:
                answer = answer_of(call)
            except RayError as error:
                reason = last_line(error)
                ray.kill(worker)  # it may have been out of reach only
                if video is None:
                    broken += 1
                    note(f"a worker could not start: {reason}")
                elif tries < retries:
                    waiting.append((video, tries + 1))
                    note(f"a worker died at {video.name}, which will be tried again: {reason}")
                else:
                    said = f"its worker died {tries + 1} times: {reason}"
                    yield video, {"stream": video.name, "error": said}
                if waiting and broken <= retries:
                    launch()
                continue
            broken = 0
            if video is None:
                note(f"worker: {answer}")
            else:
                yield video, answer
            if waiting:
                video, tries = waiting.popleft()
                busy[worker.read.remote(video)] = worker, video, tries
    if waiting:
        raise RuntimeFailure(f"no worker could start, {len(waiting)} videos wait: {reason}")


def answered(busy: dict[Any, tuple[Any, Video | None, int]]) -> list[Any]:
    """The calls that have ended; none after a while, with a word if no worker has room."""
    done, _ = ray.wait(list(busy), timeout=_PATIENCE)
    if not done and not any(video for _, video, _ in busy.values()):
        room: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        note(f"waiting for room on the cluster; it has {room}")
    return list(done)


def answer_of(call: Any) -> Any:
    """What a worker answered; an error of the video's is an answer, the worker's death is not."""
    try:
        return ray.get(call)
    except RayTaskError as error:
        return {"error": last_line(error)}


def last_line(error: Exception) -> str:
    """What Ray says went wrong, without its traceback."""
    return readable(str(error).strip().splitlines()[-1].strip())


def readable(text: str) -> str:
    r"""Text in which a file name's bytes that are no UTF-8 stand as \xNN: JSON has none of them."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def find_videos(archive: Path, out: Path, asked: tuple[str, ...] = ()) -> list[Video]:
    """All videos under a folder, but for hidden ones: macOS puts ._a.mp4 beside a.mp4."""
    videos = []
    for path in sorted(archive.rglob("*")):
        name = path.relative_to(archive).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if path.suffix.lower() in _SUFFIXES and not hidden and path.is_file():
            about, result = path.stat(), out / f"{name}.jsonl"
            version = about.st_size, about.st_mtime_ns, *asked
            videos.append(Video(name=readable(name), path=path, result=result, version=version))
    return videos


def earlier_summary(video: Video) -> Summary | None:
    """The summary of the video's result, if there is one and it is of the video as it is now."""
    try:
        with open(video.result, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            summary: Summary = json.loads(file.read().splitlines()[-1])
        return summary if summary["source"] == list(video.version) else None
    except (OSError, ValueError, IndexError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def only_one(out: Path) -> Iterator[None]:
    """See that nobody else works on the same results."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"{out} is being written by another run; wait for its end or stop it")
        for path in out.rglob(".*"):
            if _TORN.fullmatch(path.name):  # of a run that was killed while it wrote
                path.unlink(missing_ok=True)
        yield


def worker_maker(arguments: argparse.Namespace) -> Callable[[], Any]:
    """Start Ray, or find it, and give what makes a worker there."""
    model, detector, threads = arguments.model, arguments.detector, arguments.threads
    if detector in hub.KNOWN:
        detector = str(hub.fetch(detector))
    bundle = hub.default_bundle() if model == "default" else Path(model)
    if bundle.exists() and bundle.suffix != ".pt":  # what is wrong is said here and now
        decision = edgeattr.Bundle.read(bundle).decision()
        alert_rules(arguments.asked.alerts, arguments.asked.places, decision)
    shipped = [
        Shipped.pack(Path(name)) if Path(name).exists() else Shipped(name=name, files=None)
        for name in (model, detector)
    ]
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    cores = max(available_cores(), arguments.workers * threads)
    own = {"num_cpus": cores, "include_dashboard": False}
    where = {"address": arguments.address} if arguments.address else own
    try:
        ray.init(**where, logging_level=logging.ERROR)
    except Exception as error:  # of many kinds
        place = f"at {arguments.address}" if arguments.address else "of its own"
        raise RuntimeFailure(f"no Ray {place}: {last_line(error)}") from error
    kept = [ray.put(part) for part in shipped]
    remote = ray.remote(num_cpus=threads, num_gpus=arguments.num_gpus)(Worker)
    return lambda: remote.remote(*kept, threads, arguments.asked)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", metavar="VIDEOS", type=Path, help="folder of videos")
    parser.add_argument("--out", required=True, type=Path, help="folder of results")
    parser.add_argument("--address", help="of a cluster: `auto`, HOST:PORT or ray://HOST:10001")
    parser.add_argument("--workers", type=int, default=available_cores(), help="at a time")
    parser.add_argument("--threads", type=int, default=1, help="of the processor, for each worker")
    parser.add_argument("--num-gpus", type=float, default=0.0, help="for each; 0.5: two share one")
    parser.add_argument("--retries", type=int, default=2, help="of a video whose worker died")
    parser.add_argument("--model", default="default", help="`default`, or a bundle")
    parser.add_argument("--detector", default="auto", help="a name, or a file")
    for name, form in (("zone", "NAME=x,y,..."), ("line", "NAME=x,y,x,y"), ("alert", "NAME=RULE")):
        parser.add_argument(f"--{name}", metavar=form, action="append", default=[])
    arguments = parser.parse_args()
    if not arguments.archive.is_dir():
        parser.error(f"{arguments.archive} is not a folder")
    if arguments.workers < 1 or arguments.threads < 1:
        parser.error("--workers and --threads are at least 1")
    arguments.archive, arguments.out = arguments.archive.resolve(), arguments.out.resolve()
    arguments.asked = Asked(
        zones=tuple(map(parse_zone, arguments.zone)),
        lines=tuple(map(parse_line, arguments.line)),
        alerts=tuple(map(parse_alert, arguments.alert)),
    )
    return arguments


def parse_alert(text: str) -> AlertSection:
    """``NAME=RULE``, the rule as `edgeattr find` and a site's file have it."""
    name, equals, rule = text.partition("=")
    if not equals:
        raise UsageError(f"--alert {text!r}: expected NAME=RULE")
    return AlertSection(name=name.strip(), when=rule)


def note(text: str) -> None:
    """Tell on standard error."""
    print(text, file=sys.stderr, flush=True)


def process(arguments: argparse.Namespace) -> dict[str, Any]:
    """See to it that every video has its result, and sum up."""
    asked = (*arguments.zone, *arguments.line, *arguments.alert)
    videos = find_videos(arguments.archive, arguments.out, asked)
    if not videos:
        sys.exit(f"no video under {arguments.archive}; looked for {', '.join(sorted(_SUFFIXES))}")
    with (
        contextlib.closing(EventsFile(arguments.out / "manifest.jsonl")) as manifest,
        contextlib.closing(EventsFile(arguments.out / "failed.jsonl")) as failed,
    ):
        return read_missing(arguments, videos, manifest, failed)


def read_missing(
    arguments: argparse.Namespace, videos: list[Video], manifest: EventsFile, failed: EventsFile
) -> dict[str, Any]:
    """Read what has no result yet, write down what came of it, and sum up."""
    earlier = [(video, earlier_summary(video)) for video in videos]
    finished = [summary for _, summary in earlier if summary]
    for summary in finished:
        manifest.write(summary)
    missing = [video for video, summary in earlier if not summary]
    note(f"{len(videos)} videos, {len(finished)} of them finished before")
    outcomes: Iterator[tuple[Video, Summary]] = iter(())
    if missing:
        outcomes = spread(
            worker_maker(arguments), arguments.workers, missing, max(0, arguments.retries)
        )
    errors, began = 0, time.monotonic()
    for number, (video, summary) in enumerate(outcomes, 1):
        sound = "error" not in summary
        (manifest if sound else failed).write(summary)
        errors += not sound
        if sound:
            finished.append(summary)
        told = f"people: {summary['people']}" if sound else f"FAILED: {summary['error']}"
        note(f"[{number}/{len(missing)}] {video.name}: {told}")
    return {
        "videos": len(videos),
        "read": len(missing) - errors,
        "read_before": len(videos) - len(missing),
        "failed": errors,
        "people": sum(summary["people"] for summary in finished),
        "video_seconds": round(sum(summary["seconds"] for summary in finished), 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Process an archive."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        arguments = parse()
        with only_one(arguments.out):
            total = process(arguments)
    except edgeattr.EdgeAttrError as error:
        sys.exit(f"archive: {error}")
    except KeyboardInterrupt:
        note("stopped; the same command goes on from here")
        sys.exit(130)
    print(json.dumps(total))
    if total["failed"]:
        note(f"{total['failed']} videos failed; the reasons are in {arguments.out}/failed.jsonl")
    sys.exit(1 if total["failed"] else 0)


if __name__ == "__main__":
    main()
