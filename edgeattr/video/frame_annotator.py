"""A stream's annotated frames: drawn once, taken by every output that asked for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edgeattr.core.errors import OutputError
from edgeattr.video.alerts import AlertMonitor
from edgeattr.video.detectors import Detections
from edgeattr.video.draw import PersonDrawing
from edgeattr.video.label_space import Box
from edgeattr.video.options import PipelineOptions
from edgeattr.video.output import FailsafeOutput
from edgeattr.video.sources import Frame
from edgeattr.video.track_manager import TrackManager
from edgeattr.video.tracker import TrackedBox
from edgeattr.video.zone_monitor import ZoneMonitor

_REMEMBER = 2.0  # seconds that somebody who is not found any more may still be there

_log = logging.getLogger("edgeattr.video")


class FrameAnnotator:
    """Draws people, and hands frames on.

    Args:
        stream: its name, for the log.
        outputs: of all streams; those that take frames get them.
        own: of this stream alone; closed with the annotator.
        zones: drawn with their counts.
        alerts: tells who raised one.
        options: what gives boxes their colours, whether to make heads unrecognisable.
        patient: whether to go on without an output that failed, as live streams do.
    """

    def __init__(
        self,
        stream: str,
        outputs: Sequence[FailsafeOutput],
        own: Sequence[FailsafeOutput],
        *,
        zones: ZoneMonitor,
        alerts: AlertMonitor,
        options: PipelineOptions,
        patient: bool,
    ) -> None:
        self.failure: str | None = None  # of the first output that was given up or not completed
        self._stream, self._own = stream, own
        self._outputs = [output for output in (*outputs, *own) if output.takes("write_frame")]
        self._blur_faces, self._patient = options.blur_faces, patient
        self._alerts, self._drawing = alerts, PersonDrawing(zones, colour_by=options.colour_by)
        self._found: list[Box] = []  # by the last detection
        self._seen: dict[int, tuple[float, Box]] = {}  # when each person was last seen, and where

    def write(
        self,
        frame: Frame,
        tracked: Sequence[TrackedBox],
        detections: Detections | None,
        people: TrackManager,
    ) -> None:
        """Draw what is known of the people in a frame.

        Args:
            frame: the picture.
            tracked: who is known in it.
            detections: all that was found in it, or None where nobody looked.
            people: what is known of them.

        Raises:
            OutputError: an output failed, and the annotator is not patient.
        """
        if not self._outputs:
            return
        heads = self._heads(frame, tracked, detections) if self._blur_faces else ()
        takers = [output for output in self._outputs if output.wants_frame(self._stream)]
        if not takers:
            return
        shown = [seen for seen in tracked if not people.is_false_alarm(seen.track)]
        known = [(seen, people.labels(seen.track)) for seen in shown]
        alerts = self._alerts.current()
        image = self._drawing.draw(frame.image, known, alerts=alerts, blurred=heads)
        for output in takers:
            if error := output.write_frame(self._stream, image, frame.seconds):
                if not self._patient:
                    raise OutputError(error)
                self._give_up(output, error)

    def close(self) -> None:
        """Complete the files of this stream; what fails is in :attr:`failure`."""
        for output in self._own:
            error = output.close()
            self.failure = self.failure or error

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

    def _give_up(self, output: FailsafeOutput, error: str) -> None:
        _log.error("%s: annotated frames are not written any more: %s", self._stream, error)
        self._outputs.remove(output)
        self.failure = self.failure or error
        output.close()
