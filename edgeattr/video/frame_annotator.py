"""A stream's annotated frames: drawn once, taken by every sink that asked for them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

from edgeattr.core.crops import Image
from edgeattr.core.errors import EdgeAttrError
from edgeattr.core.label_ranking import LabelRanking
from edgeattr.video.detectors import Detections
from edgeattr.video.draw import Box, PersonDrawing
from edgeattr.video.sources import Frame
from edgeattr.video.track_manager import People
from edgeattr.video.tracker import TrackedBox

__all__ = ["Annotator", "FrameSink"]

_REMEMBER = 2.0  # seconds that somebody who is not found any more may still be there

_log = logging.getLogger("edgeattr.video")


class FrameSink(Protocol):
    """Takes annotated frames."""

    def write(self, image: Image, seconds: float) -> None:
        """Take one frame, uint8 [H, W, 3] BGR, and its time in the stream."""

    def close(self) -> None:
        """Finish. May be called twice."""


class Annotator:
    """Draws people, and hands frames on.

    Args:
        stream: its name, for the log.
        sinks: take the frames; closed with the annotator.
        ranking: which attributes are shown, the most telling first.
        blur_faces: whether to make heads unrecognisable.
        patient: whether to go on without a sink that failed, as live streams do.
    """

    def __init__(
        self,
        stream: str,
        sinks: Sequence[FrameSink],
        *,
        ranking: LabelRanking,
        blur_faces: bool,
        patient: bool,
    ) -> None:
        self.failure: EdgeAttrError | None = None  # of the first sink that was given up
        self._stream, self._sinks = stream, [*sinks]
        self._blur_faces, self._patient = blur_faces, patient
        self._drawing = PersonDrawing(ranking)
        self._found: list[Box] = []  # by the last detection
        self._seen: dict[int, tuple[float, Box]] = {}  # when each person was last seen, and where

    def write(
        self,
        frame: Frame,
        tracked: Sequence[TrackedBox],
        detections: Detections | None,
        people: People,
    ) -> None:
        """Draw what is known of the people in a frame.

        Args:
            frame: the picture.
            tracked: who is known in it.
            detections: all that was found in it, or None where nobody looked.
            people: what is known of them.

        Raises:
            OutputError: a sink failed, and the annotator is not patient.
        """
        if not self._sinks:
            return
        known = [(seen, people.answers(seen.track)) for seen in tracked]
        heads = self._heads(frame, tracked, detections) if self._blur_faces else ()
        image = self._drawing.draw(frame.image, known, blurred=heads)
        for sink in list(self._sinks):
            try:
                sink.write(image, frame.seconds)
            except EdgeAttrError as error:
                if not self._patient:
                    raise
                self._give_up(sink, error)

    def close(self) -> None:
        """Finish every sink.

        Raises:
            OutputError: one could not be finished; the others are.
        """
        with contextlib.ExitStack() as closing:
            for sink in self._sinks:
                closing.callback(sink.close)

    def _heads(
        self, frame: Frame, tracked: Sequence[TrackedBox], detections: Detections | None
    ) -> list[Box]:
        """Boxes whose heads are blurred: found now or last, sure or not, or hidden for a moment."""
        if detections is not None:
            self._found = [tuple(map(float, box)) for box in detections.boxes]
        for person in tracked:
            self._seen[person.track] = frame.seconds, person.box
        recent = frame.seconds - _REMEMBER
        self._seen = {track: seen for track, seen in self._seen.items() if seen[0] >= recent}
        return [*self._found, *(box for _, box in self._seen.values())]

    def _give_up(self, sink: FrameSink, error: EdgeAttrError) -> None:
        _log.error("%s: annotated frames are not written any more: %s", self._stream, error)
        self._sinks.remove(sink)
        self.failure = self.failure or error
        with contextlib.suppress(EdgeAttrError):
            sink.close()
