"""Metrics of streams and outputs for Prometheus; imported once prometheus-client is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from edgeattr.video.output import OutputStatus
from edgeattr.video.status import StreamState, StreamStatus

_Status = TypeVar("_Status", StreamStatus, OutputStatus)

_STREAM_COUNTERS: dict[str, tuple[str, Callable[[StreamStatus], float]]] = {
    "edgeattr_frames_in": ("Frames decoded.", lambda s: s.frames_in),
    "edgeattr_frames": ("Frames processed.", lambda s: s.frames),
    "edgeattr_frames_dropped": ("Frames left out for newer ones.", lambda s: s.dropped_frames),
    "edgeattr_frames_damaged": ("Packets that could not be decoded.", lambda s: s.frames_damaged),
    "edgeattr_reconnects": ("Times that a lost stream came back.", lambda s: s.reconnects),
    "edgeattr_detections": ("Boxes of people in all frames.", lambda s: s.detections),
    "edgeattr_people": ("Records of people written.", lambda s: s.people),
    "edgeattr_crops_seen": ("Crops of tracked people.", lambda s: s.crops_seen),
    "edgeattr_crops_classified": ("Crops that the model saw.", lambda s: s.crops_classified),
    "edgeattr_video_seconds": ("Seconds of video processed.", lambda s: s.seconds),
}
_STREAM_GAUGES: dict[str, tuple[str, Callable[[StreamStatus], float | None]]] = {
    "edgeattr_frames_waiting": ("Frames in a queue or in work.", lambda s: s.frames_waiting),
    "edgeattr_frames_per_second": (
        "Frames processed per second, of late.",
        lambda s: s.frames_per_second,
    ),
    "edgeattr_last_frame_age_seconds": (
        "Seconds since a frame came; absent before the first.",
        lambda s: s.last_frame_s,
    ),
}
_SINK_COUNTERS: dict[str, tuple[str, Callable[[OutputStatus], float | None]]] = {
    "edgeattr_sink_written": ("Events taken.", lambda s: s.written),
    "edgeattr_sink_failed": ("Events that could not be taken.", lambda s: s.failed),
    "edgeattr_sink_delivered": (
        "Events that the other side acknowledged.",
        lambda s: s.delivery.delivered if s.delivery else None,
    ),
    "edgeattr_sink_refused": (
        "Events that the other side refused.",
        lambda s: s.delivery.refused if s.delivery else None,
    ),
    "edgeattr_sink_dropped": (
        "Events dropped because the spool was full.",
        lambda s: s.delivery.dropped if s.delivery else None,
    ),
}
_SINK_GAUGES: dict[str, tuple[str, Callable[[OutputStatus], float | None]]] = {
    "edgeattr_sink_spooled": (
        "Events on disk that were not acknowledged yet.",
        lambda s: s.delivery.waiting if s.delivery else None,
    ),
    "edgeattr_sink_well": ("1 unless something is wrong.", lambda s: float(s.trouble is None)),
}


class Collector:
    """Asks streams and outputs how they are doing at each scrape.

    Args:
        status: tells how each stream is doing.
        outputs: likewise each output.
    """

    def __init__(
        self,
        status: Callable[[], Sequence[StreamStatus]],
        outputs: Callable[[], Sequence[OutputStatus]],
    ) -> None:
        self._status, self._outputs = status, outputs

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks nobody."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics, at this moment."""
        streams = _distinct([(status.stream, status) for status in self._status()])
        outputs = _distinct([(output.name, output) for output in self._outputs()])
        for name, (text, value) in _STREAM_COUNTERS.items():
            yield _family(CounterMetricFamily(name, text, labels=["stream"]), streams, value)
        for name, (text, gauge) in _STREAM_GAUGES.items():
            yield _family(GaugeMetricFamily(name, text, labels=["stream"]), streams, gauge)
        yield _states(streams)
        yield from _places(streams)
        for name, (text, count) in _SINK_COUNTERS.items():
            yield _family(CounterMetricFamily(name, text, labels=["sink"]), outputs, count)
        for name, (text, level) in _SINK_GAUGES.items():
            yield _family(GaugeMetricFamily(name, text, labels=["sink"]), outputs, level)


def _states(streams: dict[str, StreamStatus]) -> Metric:
    """One series a state: 1 for the one that a stream is in."""
    text = "1 for the state that the stream is in, 0 for the others."
    family = GaugeMetricFamily("edgeattr_stream_state", text, labels=["stream", "state"])
    for name, status in streams.items():
        for state in get_args(StreamState):
            family.add_metric([name, state], float(status.state == state))
    return family


def _places(streams: dict[str, StreamStatus]) -> Iterator[Metric]:
    """People in zones and over lines, and alerts: a series for each that is configured."""
    zone, line, rule = ["stream", "zone"], ["stream", "line", "direction"], ["stream", "alert"]
    inside = GaugeMetricFamily("edgeattr_zone_people", "People in the zone now.", labels=zone)
    entered = CounterMetricFamily("edgeattr_zone_entered", "People who entered.", labels=zone)
    left = CounterMetricFamily("edgeattr_zone_left", "People who left the zone.", labels=zone)
    answered = CounterMetricFamily(
        "edgeattr_zone_attributes", "People who were in the zone and are answered yes.",
        labels=[*zone, "attribute"],
    )  # fmt: skip
    crossed = CounterMetricFamily("edgeattr_line_crossings", "Crossings of the line.", labels=line)
    raised = CounterMetricFamily("edgeattr_alerts", "Alerts raised by the rule.", labels=rule)
    for stream, status in streams.items():
        for name, counts in status.zones.items():
            inside.add_metric([stream, name], counts["occupancy"])
            entered.add_metric([stream, name], counts["entered"])
            left.add_metric([stream, name], counts["left"])
        for name, answers in status.zone_attributes.items():
            for attribute, count in answers.items():
                answered.add_metric([stream, name, attribute], count)
        for name, ways in status.lines.items():
            for way, count in ways.items():
                crossed.add_metric([stream, name, way], count)
        for name, count in status.alerts.items():
            raised.add_metric([stream, name], count)
    yield from (inside, entered, left, answered, crossed, raised)


def _family(
    family: CounterMetricFamily | GaugeMetricFamily,
    named: Mapping[str, _Status],
    value: Callable[[_Status], float | None],
) -> Metric:
    for name, status in named.items():
        found = value(status)
        if found is not None:
            family.add_metric([name], found)
    return family


def _distinct(named: Sequence[tuple[str, _Status]]) -> dict[str, _Status]:
    """By name; a name that comes again gets a number, or Prometheus would refuse everything."""
    found: dict[str, _Status] = {}
    for name, status in named:
        number = 2
        chosen = name
        while chosen in found:
            chosen, number = f"{name} #{number}", number + 1
        found[chosen] = status
    return found
