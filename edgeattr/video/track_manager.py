"""The people in view of one stream: their tracks, crops and answers so far."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.core.decision import Decision
from edgeattr.core.label_ranking import LabelRanking
from edgeattr.core.posterior import TrackFusion, TrackPosterior
from edgeattr.core.prediction import AttributeAnswer, TrackRecord
from edgeattr.core.timestamps import utc_text
from edgeattr.video.boxes import Box
from edgeattr.video.likeness import KNOWN, Embedding, Likeness
from edgeattr.video.schedule import (
    CropAssessment,
    CropBudget,
    Schedule,
    TrackHistory,
    assess_crop,
    crop_of,
)
from edgeattr.video.sources import Frame
from edgeattr.video.tracker import EarlierBox, TrackedBox

_MOST_LABELS = 6  # in a record
_MIN_SECONDS = 0.3  # a track seen for less is taken for a false alarm
_SURE = 0.6  # score of the detector from which what a track goes on with may be somebody else
_GOOD = 0.4  # likewise, the quality of a crop
_PATIENCE = 2.0  # seconds after which a track whose crops all show nobody is a false alarm
_FEW = 3  # crops, of fewer of which somebody seen before may have been taken for a new person


@dataclass(frozen=True, eq=False)
class CropRequest:
    """A crop that is worth classifying."""

    seen: TrackedBox
    crop: Image  # a view of the frame
    assessment: CropAssessment
    seconds: float  # of the frame
    worth: float  # how much is learnt from it


class CropReading(NamedTuple):
    """What the model gives for a crop."""

    logits: npt.NDArray[np.float32]  # [C], not a number where an attribute is not to be seen
    embedding: Embedding | None = None  # None: the model has none


class _Read(NamedTuple):
    """A crop and what was read off it."""

    request: CropRequest
    logits: npt.NDArray[np.float32]
    embedding: Embedding | None  # None: it does not count
    frames: int  # of its person, when it was read


@dataclass(frozen=True, eq=False)
class BestCrop:
    """The crop of a person that showed them best."""

    image: Image
    worth: float  # showing, 0..1


@dataclass
class _Person:
    """What is known of a track that may still go on."""

    posterior: TrackPosterior
    first_s: float
    last_s: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    history: TrackHistory = field(default_factory=TrackHistory)
    likeness: Likeness[_Read] = field(default_factory=Likeness)
    other: tuple[float, float, int] | None = None  # from when to when its track was of whom
    frames: int = 0
    mistaken: bool = False  # a crop shows nobody
    box: Box = (0.0, 0.0, 0.0, 0.0)
    updated: float = 0.0  # when an update was written, seconds
    best: BestCrop | None = None
    labels: tuple[str, ...] | None = None  # what tells them from others; None: to be ranked anew


class TrackManager:
    """Follows one stream's people from entering the picture to leaving it.

    Args:
        stream: its name.
        decision: turns log-odds into answers.
        fusion: how the crops of a track are put together; averaged if None.
        schedule: which crops are worth classifying.
        ranking: which attributes tell a person from others; by the schema alone if None.
        budget: crops per second of video that may be classified; all if None.
        keep_best: whether to keep each person's best crop.
        renumber: tells whoever numbers people that a person's track is of somebody else from now
            on: the number of that one, or None for somebody new; gives the new one's. None: crops
            of a track all show one person.
    """

    def __init__(
        self,
        stream: str,
        decision: Decision,
        *,
        fusion: TrackFusion | None,
        schedule: Schedule,
        ranking: LabelRanking | None = None,
        budget: float | None = None,
        keep_best: bool = False,
        renumber: Callable[[int, int | None], int] | None = None,
    ) -> None:
        self.began: float | None = None  # second 0 of a live stream, seconds since the epoch
        self.crops_seen = 0  # crops of tracked people
        self.crops_classified = 0  # of these
        self._stream, self._decision, self._fusion = stream, decision, fusion
        self._schedule, self._budget = schedule, CropBudget(budget)
        self._keep_best, self._renumber = keep_best, renumber
        self._ranking = ranking or LabelRanking(schema=decision.schema)
        self._people: dict[int, _Person] = {}

    def update(self, frame: Frame, tracked: Sequence[TrackedBox]) -> list[CropRequest]:
        """Take in where people are.

        Args:
            frame: the picture.
            tracked: the people that were found in it.

        Returns:
            The crops to classify, the most worthwhile first.
        """
        self.crops_seen += len(tracked)
        candidates = []
        for seen in tracked:
            person = self._person(seen.track, frame.seconds)
            person.frames += 1
            person.last_s, person.box = frame.seconds, seen.box
            assessment = assess_crop(frame.image, seen, tracked)
            worth = self._schedule.worth(
                assessment,
                person.history,
                seconds=frame.seconds,
                settled=person.posterior.settled,
            )
            if worth > 0:
                crop = crop_of(frame.image, seen.box)
                candidates.append(CropRequest(seen, crop, assessment, frame.seconds, worth))
        chosen = self._budget.take([entry.worth for entry in candidates], frame.seconds)
        requests = [candidates[index] for index in chosen]
        for entry in requests:  # now, so that the next frame knows that this one is on its way
            self._people[entry.seen.track].history.add(entry.assessment, entry.seconds)
        return requests

    def add_earlier(self, earlier: Sequence[EarlierBox]) -> None:
        """Take in the frames in which people were found before they counted."""
        for seconds, person, found in earlier:
            if found:
                self.crops_seen += 1
                self._person(person.track, seconds).frames += 1

    def add_readings(
        self,
        requests: Sequence[CropRequest],
        readings: Sequence[CropReading | None],
    ) -> None:
        """Take in the model's answers.

        Args:
            requests: what was asked.
            readings: of each; None where the crop was declined. A track of crops that show nobody
                is a false alarm.
        """
        for entry, reading in zip(requests, readings, strict=True):
            number = entry.seen.track
            person = self._people.get(number)
            if person and person.other:
                since, until, other = person.other
                if since <= entry.seconds <= until:
                    number, person = other, self._people.get(other)
            if person is None:
                continue
            if reading is None:
                person.history.take_back(entry.assessment)
                continue
            self.crops_classified += 1
            if np.isnan(reading.logits).all():
                person.mistaken = True
                continue
            embedding = reading.embedding if self._renumber else None
            read = _Read(entry, reading.logits, embedding, person.frames)
            if embedding is None or person.likeness.shows(embedding):
                self._add(person, read)
            elif entry.seen.score >= _SURE and entry.assessment.quality >= _GOOD:
                kept = read._replace(request=_without_frame(entry))
                others = person.likeness.put_aside(kept, embedding, entry.seconds)
                if others:
                    self._go_on(number, person, others)
                else:
                    person.history.doubtful = True

    def _add(self, person: _Person, read: _Read) -> None:
        assessment = read.request.assessment
        person.posterior.add(read.logits, assessment.quality)
        if read.embedding is not None:
            person.likeness.add(read.embedding, assessment.quality)
        person.labels = None
        worth = assessment.worth_showing if self._keep_best else 0.0
        if self._keep_best and (not person.best or worth > person.best.worth):
            person.best = BestCrop(read.request.crop.copy(), worth)

    def _go_on(self, number: int, person: _Person, reads: Sequence[_Read]) -> None:
        """A track goes on with somebody else, whom its last crops show."""
        other = Likeness[_Read]()
        for read in reads:
            assert read.embedding is not None
            other.add(read.embedding, read.request.assessment.quality)
        if person.likeness.crops == 1:  # it showed who was in front of them
            to = person
            to.posterior = TrackPosterior(self._decision, self._fusion)
            to.history, to.likeness, to.best = TrackHistory(), Likeness(), None
        else:
            known = self._known(other, number)
            if known is not None and self._people[known].last_s >= person.last_s:
                return  # they have a track of their own
            assert self._renumber
            first, new = reads[0], self._renumber(number, known)
            since = first.request.seconds
            to = self._person(new, since)
            to.frames += person.frames - first.frames
            to.last_s, to.box = person.last_s, person.box
            person.other = since, person.last_s, new
            person.last_s, person.box = since, first.request.seen.box
            person.frames = first.frames
            if person.likeness.crops < _FEW and self._known(person.likeness, number):
                person.posterior = TrackPosterior(self._decision, self._fusion)
                person.labels = None
        for read in reads:
            to.history.add(read.request.assessment, read.request.seconds)
            self._add(to, read)

    def _known(self, likeness: Likeness[_Read], number: int) -> int | None:
        """Who else looks like somebody, the most alike."""
        alike = [
            (cosine, known)
            for known, person in self._people.items()
            if known != number and (cosine := likeness.cosine(person.likeness)) >= KNOWN
        ]
        return max(alike, default=(0.0, None))[1]

    def is_false_alarm(self, track: int) -> bool:
        """Whether a track is nobody, by the crops that were read so far."""
        person = self._people.get(track)
        return (
            person is not None
            and person.mistaken
            and not person.posterior.crops
            and person.last_s - person.first_s >= _PATIENCE
        )

    def answers(self, track: int) -> Mapping[str, AttributeAnswer]:
        """What is known of a person so far."""
        person = self._people.get(track)
        return person.posterior.answers() if person else {}

    def first_seen(self, track: int) -> float | None:
        """When a person was first seen, seconds of the stream; None: nobody of that number."""
        person = self._people.get(track)
        return person.first_s if person else None

    def record(self, track: int) -> TrackRecord:
        """The record so far of somebody who is followed."""
        return self._record(track, self._people[track])

    def best(self, track: int) -> BestCrop | None:
        """The best crop so far of somebody who is followed, where crops are kept."""
        return self._people[track].best

    def labels(self, track: int) -> Sequence[str]:
        """What tells a person from others so far, in words, the most telling first."""
        person = self._people.get(track)
        return self._labels(person) if person else ()

    def updates(self, seconds: float, every: float) -> list[TrackRecord]:
        """Records so far of people without an update for so many seconds."""
        due = [
            (number, person)
            for number, person in self._people.items()
            if person.posterior.crops and seconds - max(person.updated, person.first_s) >= every
        ]
        for _, person in due:
            person.updated = seconds
        return [self._record(number, person) for number, person in due]

    def present(self) -> list[TrackRecord]:
        """Records so far of those who are in the picture and of whom anything is known."""
        return [
            self._record(number, person)
            for number, person in self._people.items()
            if person.posterior.crops
        ]

    def ended(self, before: float | None) -> list[int]:
        """Numbers of people last seen before a moment; None: of everybody."""
        return sorted(
            number
            for number, person in self._people.items()
            if before is None or person.last_s < before
        )

    def pop_ended(self, before: float | None) -> list[tuple[TrackRecord, BestCrop | None]]:
        """Records of those who :meth:`ended`, who are forgotten; false alarms have none."""
        ended = [(number, self._people.pop(number)) for number in self.ended(before)]
        return [
            (self._record(number, person), person.best)
            for number, person in ended
            if person.posterior.crops and person.last_s - person.first_s >= _MIN_SECONDS
        ]

    def _person(self, track: int, seconds: float) -> _Person:
        if track not in self._people:
            posterior = TrackPosterior(self._decision, self._fusion)
            self._people[track] = _Person(posterior, seconds, seconds, updated=seconds)
        return self._people[track]

    def _labels(self, person: _Person) -> tuple[str, ...]:
        """Ranked once for each crop that is read, not for each frame that is drawn."""
        if person.labels is None:
            person.labels = self._ranking.texts(person.posterior.answers())
        return person.labels

    def _record(self, number: int, person: _Person) -> TrackRecord:
        left, top, right, bottom = person.box
        return TrackRecord(
            stream=self._stream,
            track=number,
            first_s=person.first_s,
            last_s=person.last_s,
            frames=person.frames,
            crops_classified=person.posterior.crops,
            box=(left, top, right - left, bottom - top),
            attributes=person.posterior.answers(),
            colours=person.posterior.colours(),
            labels=self._labels(person)[:_MOST_LABELS],
            id=person.id,
            time=None if self.began is None else utc_text(self.began + person.last_s),
        )


def _without_frame(request: CropRequest) -> CropRequest:
    """The same with a crop of its own, so that it may be kept without the whole frame."""
    crop = request.crop.copy()
    return replace(request, crop=crop, assessment=replace(request.assessment, crop=crop))
