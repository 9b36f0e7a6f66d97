"""The work on one stream: from its frames to its people's records."""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeattr.core.label_ranking import LabelRanking
from edgeattr.core.rate_limit import RateLimit
from edgeattr.model import AttributeModel
from edgeattr.video.alerts import AlertMonitor, PersonNow
from edgeattr.video.batcher import Batcher, PendingCrops
from edgeattr.video.detection_interval import DetectionInterval, Found, SceneCutDetector, StillScene
from edgeattr.video.detectors import Detector
from edgeattr.video.frame_annotator import FrameAnnotator
from edgeattr.video.frame_reader import FrameReader
from edgeattr.video.options import PipelineOptions
from edgeattr.video.output import FailsafeOutput, RecordWriter
from edgeattr.video.sources import Frame, Source
from edgeattr.video.status import StreamState, StreamStatus, Summary
from edgeattr.video.track_manager import TrackManager
from edgeattr.video.tracker import EarlierBox, PersonTracker, TrackedBox
from edgeattr.video.zone_monitor import ZoneEvent, ZoneMonitor

_STALLED = 5.0  # seconds without a frame
_FAILING = 3  # frames in a row that failed, from which a live stream does not run
_HANGS = "frames come, and none is finished: the model, the detector or a disk hangs"
_DETECTIONS = 8.0  # a second, below which the tracker loses people (benchmarks/detectors.py)
_SILENCE = 0.5  # seconds without a frame, after which a live stream's people are looked after
_WORST_PAUSE = 30.0  # seconds that a live stream rests at most after failures in a row
_WATCH = 1.0  # seconds between two tellings of who is in view
_RATE_FRAMES = 100  # over which the rate is measured

_log = logging.getLogger("edgeattr.video")


@dataclass(frozen=True, kw_only=True)
class StreamContext:
    """What all streams of a pipeline share."""

    model: AttributeModel  # knows what attributes there are, and how crops of a track are fused
    ranking: LabelRanking  # of what tells people from others
    batcher: Batcher  # takes crops
    detector: Detector  # finds people
    workers: concurrent.futures.Executor  # that the detector runs in
    outputs: Sequence[FailsafeOutput]  # take what happens on all streams
    options: PipelineOptions  # how streams are processed


class Stream(threading.Thread):
    """One stream's thread.

    People are looked for in several frames at once, by the pipeline's workers; frames are then
    taken in order. The answers for a frame's crops count a fixed number of frames later, so that a
    file gives the same records however fast the machine is.

    Args:
        source: where frames come from; closed when they have been read.
        context: what it shares with other streams.
        own: outputs of this stream alone; closed at its end.
        zones: follows people through the zones and over the lines of this stream.
        alerts: asks rules of its people.
        max_frames: the stream ends after so many.
    """

    stuck_s = 30.0  # without a finished frame while frames wait

    def __init__(
        self,
        source: Source,
        context: StreamContext,
        *,
        own: Sequence[FailsafeOutput],
        zones: ZoneMonitor,
        alerts: AlertMonitor,
        max_frames: int | None,
    ) -> None:
        super().__init__(name=f"stream {source.name}", daemon=True)
        model, outputs, options = context.model, context.outputs, context.options
        self.summary = Summary(stream=source.name)
        self.failure: BaseException | None = None  # what ended the stream before its time
        self._reader = FrameReader(source, size=options.frames_waiting, limit=max_frames)
        self._detector, self._workers = context.detector, context.workers
        self._options, self._zones, self._alerts = options, zones, alerts
        self._annotator = FrameAnnotator(
            source.name,
            outputs,
            own,
            zones=zones,
            alerts=alerts,
            options=options,
            patient=source.live,
        )
        self._tracker = PersonTracker(appearance=options.appearance)
        self._people = TrackManager(
            source.name,
            model.decision,
            fusion=model.bundle.track,
            schedule=options.schedule,
            ranking=context.ranking,
            budget=options.crops_per_second,
            keep_best=any(output.field for output in outputs),
            renumber=self._tracker.renumber if options.appearance else None,
        )
        self._interval = DetectionInterval(options.detect_every)
        self._scene, self._still = SceneCutDetector(), StillScene(options.frames_ahead)
        self._size: tuple[int, int] | None = None  # width and height of the last frame, pixels
        self._track_files = [it for it in (*outputs, *own) if it.takes("write_tracks")]
        self._ahead: collections.deque[tuple[Frame, Found | None]] = collections.deque()
        self._pending = PendingCrops(context.batcher, self._people, declinable=source.live)
        self._times: collections.deque[float] = collections.deque(maxlen=_RATE_FRAMES)
        self._finished = time.monotonic()  # when the last frame was
        self._failures, self._trouble = 0, ""  # in a row; the last of them
        self._watchers = [output for output in outputs if output.takes("watch")]
        self._records = RecordWriter(outputs)
        self._log_limit, self._watched = RateLimit(), RateLimit(_WATCH)

    def start(self) -> None:
        """Begin to read and to process."""
        self._reader.start()
        super().start()

    def run(self) -> None:
        """Process the stream to its end."""
        rate = self._reader.source.rate / self._options.detect_every
        if not PersonTracker.can_follow(rate):
            _log.warning(
                "%s: people are looked for %.3g times a second, too seldom to follow walkers: they "
                "may be missed, or counted more than once", self.summary.stream, rate,
            )  # fmt: skip
        try:
            self._process_all()
            self.failure = self._reader.failure
        except BaseException as error:
            self.failure = error
            self._reader.stop()
            self._reader.dropped += len(self._ahead)
            self._ahead.clear()
        finally:
            self._finish()

    def stop(self) -> None:
        """Ask the stream to end soon; its people get their records."""
        self._reader.stop()

    def wait(self, seconds: float) -> None:
        """Wait for the end, and for the camera, which can be opened by one at a time."""
        end = time.monotonic() + seconds
        self.join(seconds)
        self._reader.join(max(0.0, end - time.monotonic()))

    def status(self) -> StreamStatus:
        """How the stream is doing. Any thread may ask."""
        reader, source, summary = self._reader, self._reader.source, self.summary
        dropped, frames, frames_in = reader.dropped, summary.frames, reader.frames_in
        return StreamStatus(
            stream=source.name,
            state=self._state(),
            live=source.live,
            frames_in=frames_in,
            frames=frames,
            dropped_frames=dropped,
            frames_waiting=frames_in - frames - dropped,
            frames_damaged=source.damaged,
            reconnects=source.reconnects,
            detections=summary.detections,
            people=summary.people,
            crops_seen=self._people.crops_seen,
            crops_classified=self._people.crops_classified,
            seconds=summary.seconds,
            frames_per_second=self._rate(),
            last_frame_s=reader.last_frame_s,
            zones=self._zones.totals(),
            zone_attributes=self._zones.answered(),
            lines=self._zones.counts()[1],
            alerts=dict(self._alerts.raised),
            error=summary.error or source.error or self._wrong(),
            width=self._size[0] if self._size else None,
            height=self._size[1] if self._size else None,
        )

    def _state(self) -> StreamState:
        if not self.is_alive():
            return "failed" if self.failure else "ended"
        source, age = self._reader.source, self._reader.last_frame_s
        silent = source.live and source.state == "running" and age is not None and age > _STALLED
        if silent or self._wrong():
            return "stalled"
        return source.state if source.state != "ended" else "running"

    def _wrong(self) -> str | None:
        """Why frames come, and nothing becomes of them."""
        if self.is_alive() and self._failures >= _FAILING:
            return f"frame after frame fails: {self._trouble}"
        return _HANGS if self.is_stuck else None

    @property
    def is_stuck(self) -> bool:
        """Frames wait and none was finished for long: the model, the detector or a disk hangs."""
        waits = bool(self._reader.waiting or self._ahead)
        return self.is_alive() and waits and time.monotonic() - self._finished > self.stuck_s

    def _rate(self) -> float:
        times = list(self._times)
        if len(times) < 2:
            return 0.0
        return (len(times) - 1) / max(1e-6, max(time.monotonic(), times[-1]) - times[0])

    def _process_all(self) -> None:
        ahead = self._ahead
        while True:
            while len(ahead) < self._options.frames_ahead:
                frame = self._reader.get(0 if ahead else _SILENCE)
                if frame is None:
                    break
                if not ahead:  # it was idle until now, and did not hang
                    self._finished = time.monotonic()
                ahead.append((frame, self._start_detection(frame)))
            if ahead:
                self._process(*ahead.popleft())
            elif self._reader.ended:
                return
            else:
                self._end_silent_tracks()

    def _start_detection(self, frame: Frame) -> Found | None:
        """Begin to look for people in a frame, if that is its turn."""
        self._interval.most = _rarest(self._reader.source, self._options)
        if not self._interval.is_due(self._reader.dropped):
            return None
        look = functools.partial(self._workers.submit, self._detector.detect, frame.image)
        return self._still.detect(frame, look)

    def _process(self, frame: Frame, found: Found | None) -> None:
        """One frame; in a live stream one that fails does not end the rest."""
        try:
            self._track(frame, found)
            if found is not None:
                self._failures = 0
        except Exception as error:
            if not self._reader.source.live:
                raise
            self._frame_failed(error)
        finally:
            self.summary.frames += 1
            self.summary.seconds = frame.seconds + 1 / self._reader.source.rate
            self._finished = time.monotonic()
            self._times.append(self._finished)

    def _track(self, frame: Frame, found: Found | None) -> None:
        self._people.began = frame.began
        self._pending.collect(late=self._options.frames_late)
        before, size = self._size, (frame.image.shape[1], frame.image.shape[0])
        self._tracker.size = self._size = size
        if self._scene.is_cut(frame.image) or before not in (None, size):  # boxes are in pixels
            self._tracker.cut()
            self._report_ended(None)
        detections, earlier = None, list[EarlierBox]()
        nobody = self._people.is_false_alarm
        if found is None:
            tracked = self._tracker.predict(frame.seconds)
        else:
            detections = found.result()
            self.summary.detections += len(detections)
            tracked = self._tracker.update(detections, frame.seconds, frame.image)
            self._people.add_earlier(self._tracker.earlier)
            earlier = [it for it in self._tracker.earlier if not nobody(it.person.track)]
            for seconds, person, _ in earlier:
                self._report_zones(self._zones.update(seconds, [person], size))
        self._pending.request(self._people.update(frame, tracked) if found is not None else [])
        people = [it for it in tracked if not nobody(it.track)]
        self._report_zones(self._zones.leave(it.track for it in tracked if nobody(it.track)))
        self._report_zones(self._zones.update(frame.seconds, people, size))
        if self._alerts.rules:
            self._report_alerts(frame, people)
        for output in self._track_files:
            self._records.note(output.write_tracks(self.summary.stream, frame, people, earlier))
        self._annotator.write(frame, tracked, detections, self._people)
        self._report_ended(frame.seconds - self._tracker.lost_seconds)
        self._report_present()
        if every := self._options.updates_every:
            for record in self._people.updates(frame.seconds, every):
                self._records.emit(self._zones.placed(record).to_json("update"))

    def _end_silent_tracks(self) -> None:
        """A live stream sends nothing: those who were there are given up after a while."""
        silent = self._reader.last_frame_s
        if silent is not None and silent > 2 * self._tracker.lost_seconds:
            self._tracker.cut()
            self._report_ended(None)
            self._report_present()

    def _report_present(self) -> None:
        """Tell those who watch who is in view, now and then by the clock of now."""
        if self._watchers and self._watched.allows():
            for output in self._watchers:
                output.watch(self.summary.stream, self._people.present())

    def _report_ended(self, before: float | None) -> None:
        if before is None or self._people.ended(before):
            self._pending.collect(late=0)
            gone = self._people.ended(before)
            self._report_zones(self._zones.settle(gone))
            for record, best in self._people.pop_ended(before):
                record = self._zones.placed(record)
                self._zones.count_answers(record)
                self.summary.people += 1
                self._records.add(record, best, live=self._reader.source.live)
            self._report_zones(self._zones.leave(gone))
        self._records.write_ready()

    def _report_zones(self, events: Sequence[ZoneEvent]) -> None:
        for event in events:
            self._records.emit(event.to_json(self.summary.stream))

    def _report_alerts(self, frame: Frame, tracked: Sequence[TrackedBox]) -> None:
        now = self._people_now(frame, tracked)
        for alert in self._alerts.update(frame.seconds, now, self._people.record):
            best = self._people.best(alert.person.track)
            self._records.alert(alert, best, live=self._reader.source.live)

    def _people_now(self, frame: Frame, tracked: Sequence[TrackedBox]) -> dict[int, PersonNow]:
        """What rules ask of those in a frame, by their number."""
        people, zones = self._people, self._zones
        return {
            seen.track: PersonNow(
                stream=self.summary.stream,
                seen_s=frame.seconds - first,
                time=None if frame.began is None else frame.began + frame.seconds,
                answers=people.answers(seen.track),
                inside=zones.inside(seen.track),
                dwell_s=zones.dwell(seen.track),
                crossed=zones.crossings(seen.track),
            )
            for seen in tracked
            if (first := people.first_seen(seen.track)) is not None
        }

    def _frame_failed(self, error: Exception) -> None:
        """A frame of a live stream failed: say so now and then, rest longer and longer."""
        self._failures, self._trouble = self._failures + 1, str(error) or repr(error)
        self._pending.drop()
        if self._log_limit.allows():
            _log.error("%s: a frame failed: %s", self.summary.stream, error)
        if self._failures > 1:
            self._reader.pause(min(_WORST_PAUSE, 0.1 * 2 ** min(self._failures, 9)))

    def _finish(self) -> None:
        """Records of all who are there, the summary, and whole files, whatever happened."""
        steps: list[Callable[[], None]] = [
            lambda: self._pending.collect(late=0),
            self._pending.drop,
            lambda: self._report_ended(None),
            lambda: self._records.write_all(self._reader.source.live or self._reader.cut_short),
            self._annotator.close,
            self._write_summary,
        ]
        for step in steps:
            try:
                step()
            except BaseException as error:
                self.failure = self.failure or error
        del self._tracker  # many files may end before a run does

    def _write_summary(self) -> None:
        self.summary.dropped_frames = self._reader.dropped
        self.summary.crops_seen = self._people.crops_seen
        self.summary.crops_classified = self._people.crops_classified
        self.summary.zones, self.summary.lines = self._zones.counts()
        self.summary.zone_attributes = self._zones.answered()
        self.summary.alerts = dict(self._alerts.raised)
        wrong = self.failure or self._annotator.failure or self._records.lost
        stopped = self._reader.cut_short and not self._reader.source.endless
        missing = "stopped" if stopped else self._reader.source.shortfall
        self.summary.error = str(wrong) or repr(wrong) if wrong else missing
        self._records.emit(self.summary.to_json())


def _rarest(source: Source, options: PipelineOptions) -> int:
    """One frame in how many is looked at under the heaviest load."""
    if not source.live:
        return options.detect_every
    return min(options.detect_at_most_every, max(1, int(source.rate / _DETECTIONS)))
