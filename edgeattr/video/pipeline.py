"""The whole way of one stream: frames in, one record per person out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgeattr.crops import Image
from edgeattr.model import AttributeModel
from edgeattr.prediction import TrackRecord
from edgeattr.video.detect import Detector
from edgeattr.video.draw import draw_people
from edgeattr.video.fuse import TrackPosterior
from edgeattr.video.schedule import Schedule, crop_of, crop_quality
from edgeattr.video.source import Frame, VideoSource
from edgeattr.video.track import PersonTracker, TrackedBox

__all__ = ["Pipeline", "Summary"]

_MIN_SECONDS = 0.2  # a track seen for less is taken for a false alarm


class EventSink(Protocol):
    """Takes events."""

    def write(self, event: dict[str, Any]) -> None:
        """Take one event."""


class FrameSink(Protocol):
    """Takes annotated frames."""

    def write(self, image: Image) -> None:
        """Take one frame."""


@dataclass(kw_only=True)
class Summary:
    """What happened on one stream; grows while it runs."""

    stream: str
    frames: int = 0  # processed
    seconds: float = 0.0  # of video
    people: int = 0  # records written
    detections: int = 0  # boxes in all frames
    crops_classified: int = 0  # crops that went through the model
    crops_seen: int = 0  # crops of tracked people, classified or not
    dropped_frames: int = 0  # frames of a live stream that were not processed
    error: str | None = None  # why the stream was not processed to its end

    def to_json(self) -> dict[str, Any]:
        """The last line of the events file."""
        values = dataclasses.asdict(self)
        if self.error is None:
            del values["error"]
        return {"type": "summary", **values, "seconds": round(self.seconds, 3)}


@dataclass
class _Person:
    """What is known of a track that may still go on."""

    posterior: TrackPosterior
    first_s: float
    last_s: float = 0.0
    last_classified: float = 0.0  # seconds
    best_quality: float = 0.0
    frames: int = 0
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # left, top, right, bottom


@dataclass
class Pipeline:
    """Runs one stream.

    Args:
        model: reads attributes off crops.
        detector: finds people.
        events: take one event per person, when the person has left, and a summary.
        frames: take annotated frames.
        schedule: which crops are classified.
    """

    model: AttributeModel
    detector: Detector
    events: list[EventSink] = field(default_factory=list)
    frames: list[FrameSink] = field(default_factory=list)
    schedule: Schedule = field(default_factory=Schedule)

    def run(
        self,
        source: VideoSource,
        *,
        max_frames: int | None = None,
        report: Callable[[Summary, float], bool] = lambda summary, rate: True,
    ) -> Summary:
        """Process a stream to its end, or until told to stop.

        People still in view at the end get their record too, and the summary is always written,
        even when the stream fails in the middle.

        Args:
            source: the stream.
            max_frames: stop after so many.
            report: called after each frame with the summary so far and the frames per second;
                stops the run by returning False.
        """
        summary = Summary(stream=source.name)
        people: dict[int, _Person] = {}
        whole = max_frames is None
        try:
            tracker = PersonTracker(source.rate)
            start = time.monotonic()
            for frame in _first(source.frames(), max_frames):
                self._process(frame, tracker, people, summary)
                for number in _gone(people, frame.seconds - tracker.lost_seconds):
                    self._finish(number, people.pop(number), summary)
                summary.frames += 1
                summary.seconds = frame.seconds + 1 / source.rate
                if not report(summary, summary.frames / (time.monotonic() - start)):
                    whole = False
                    break
            summary.error = source.shortfall if whole else None
        except BaseException as error:
            summary.error = str(error) or "stopped"
            raise
        finally:
            for number in sorted(people):
                self._finish(number, people[number], summary)
            self._write(summary.to_json())
        return summary

    def _process(
        self, frame: Frame, tracker: PersonTracker, people: dict[int, _Person], summary: Summary
    ) -> None:
        detections = self.detector.detect(frame.image)
        tracked = tracker.update(detections)
        summary.detections += len(detections)
        summary.crops_seen += len(tracked)
        for seen in tracked:
            person = people.setdefault(
                seen.track, _Person(TrackPosterior(self.model.decision), frame.seconds)
            )
            person.frames += 1
            person.last_s, person.box = frame.seconds, seen.box
        self._classify(frame, tracked, people, summary)
        if self.frames:
            known = [(seen, people[seen.track].posterior.answers()) for seen in tracked]
            annotated = draw_people(frame.image, known)
            for sink in self.frames:
                sink.write(annotated)

    def _classify(
        self,
        frame: Frame,
        tracked: list[TrackedBox],
        people: dict[int, _Person],
        summary: Summary,
    ) -> None:
        """One batch of all crops of the frame that are worth it."""
        chosen: list[tuple[TrackedBox, float]] = []
        for seen in tracked:
            person = people[seen.track]
            quality = crop_quality(seen, tracked, frame.image)
            if self.schedule.wants(
                quality,
                classified=person.posterior.crops,
                seconds_since=frame.seconds - person.last_classified,
                best_quality=person.best_quality,
            ):
                chosen.append((seen, quality))
        logits = self.model.logits([crop_of(frame.image, seen.box) for seen, _ in chosen])
        for (seen, quality), row in zip(chosen, logits, strict=True):
            person = people[seen.track]
            person.posterior.add(row, quality)
            person.last_classified = frame.seconds
            person.best_quality = max(person.best_quality, quality)
        summary.crops_classified += len(chosen)

    def _finish(self, number: int, person: _Person, summary: Summary) -> None:
        """Write a person's record, unless it was a false alarm."""
        if person.last_s - person.first_s < _MIN_SECONDS or not person.posterior.crops:
            return
        left, top, right, bottom = person.box
        record = TrackRecord(
            stream=summary.stream,
            track=number,
            first_s=person.first_s,
            last_s=person.last_s,
            frames=person.frames,
            crops_classified=person.posterior.crops,
            box=(left, top, right - left, bottom - top),
            attributes=person.posterior.answers(),
        )
        summary.people += 1
        self._write(record.to_json())

    def _write(self, event: dict[str, Any]) -> None:
        for sink in self.events:
            sink.write(event)


def _first(frames: Iterator[Frame], count: int | None) -> Iterator[Frame]:
    for frame in frames:
        if count is not None and frame.index >= count:
            return
        yield frame


def _gone(people: dict[int, _Person], before: float) -> list[int]:
    """People last seen before a moment, in seconds."""
    return [number for number, person in people.items() if person.last_s < before]
