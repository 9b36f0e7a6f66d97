"""What is known of each person in a frame, for the rules of alerts."""

from __future__ import annotations

from collections.abc import Sequence

from edgeattr.video.alerts import PersonNow
from edgeattr.video.sources import Frame
from edgeattr.video.track_manager import TrackManager
from edgeattr.video.tracker import TrackedBox
from edgeattr.video.zone_monitor import ZoneMonitor


def people_now(
    stream: str,
    frame: Frame,
    tracked: Sequence[TrackedBox],
    people: TrackManager,
    zones: ZoneMonitor,
) -> dict[int, PersonNow]:
    """By number, those in a frame that ``people`` and ``zones`` have taken in.

    Args:
        stream: its name.
        frame: the picture.
        tracked: who is in it.
        people: what is known of them.
        zones: where they were.
    """
    return {
        seen.track: PersonNow(
            stream=stream,
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
