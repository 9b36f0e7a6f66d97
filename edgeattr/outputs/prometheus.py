"""Metrics of streams and outputs for Prometheus; imported once prometheus-client is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from edgeattr.video.output import DeliveryStatus, OutputStatus
from edgeattr.video.status import StreamState, StreamStatus

_Status = TypeVar("_Status", StreamStatus, OutputStatus, DeliveryStatus)

_STREAM_COUNTERS = {  # name -> what is counted, and the field of StreamStatus that has it
    "edgeattr_frames_in": ("Frames decoded.", "frames_in"),
    "edgeattr_frames": ("Frames processed.", "frames"),
    "edgeattr_frames_dropped": ("Frames left out for newer ones.", "dropped_frames"),
    "edgeattr_frames_damaged": ("Packets that could not be decoded.", "frames_damaged"),
    "edgeattr_reconnects": ("Times that a lost stream came back.", "reconnects"),
    "edgeattr_detections": ("Boxes of people in all frames.", "detections"),
    "edgeattr_people": ("Records of people written.", "people"),
    "edgeattr_crops_seen": ("Crops of tracked people.", "crops_seen"),
    "edgeattr_crops_classified": ("Crops that the model saw.", "crops_classified"),
    "edgeattr_video_seconds": ("Seconds of video processed.", "seconds"),
}
_STREAM_GAUGES = {
    "edgeattr_frames_waiting": ("Frames in a queue or in work.", "frames_waiting"),
    "edgeattr_frames_per_second": ("Frames processed per second, of late.", "frames_per_second"),
    "edgeattr_last_frame_age_seconds": (
        "Seconds since a frame came; absent before the first.",
        "last_frame_s",
    ),
}
_OUTPUT_COUNTERS = {  # fields of OutputStatus
    "edgeattr_sink_written": ("Events taken.", "written"),
    "edgeattr_sink_failed": ("Events that could not be taken.", "failed"),
}
_DELIVERY_COUNTERS = {  # fields of DeliveryStatus
    "edgeattr_sink_delivered": ("Events that the other side acknowledged.", "delivered"),
    "edgeattr_sink_refused": ("Events that the other side refused.", "refused"),
    "edgeattr_sink_dropped": ("Events dropped because the spool was full.", "dropped"),
}
_DELIVERY_GAUGES = {
    "edgeattr_sink_spooled": ("Events on disk that were not acknowledged yet.", "waiting"),
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
        sent = {name: output.delivery for name, output in outputs.items() if output.delivery}
        yield from _families(CounterMetricFamily, _STREAM_COUNTERS, "stream", streams)
        yield from _families(GaugeMetricFamily, _STREAM_GAUGES, "stream", streams)
        yield _states(streams)
        yield from _places(streams)
        yield from _families(CounterMetricFamily, _OUTPUT_COUNTERS, "sink", outputs)
        yield from _families(CounterMetricFamily, _DELIVERY_COUNTERS, "sink", sent)
        yield from _families(GaugeMetricFamily, _DELIVERY_GAUGES, "sink", sent)
        text = "1 unless something is wrong."
        well = GaugeMetricFamily("edgeattr_sink_well", text, labels=["sink"])
        for name, output in outputs.items():
            well.add_metric([name], float(output.trouble is None))
        yield well


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


def _families(
    kind: type[CounterMetricFamily | GaugeMetricFamily],
    table: Mapping[str, tuple[str, str]],
    label: str,
    statuses: Mapping[str, _Status],
) -> Iterator[Metric]:
    """A family for each row of a table, with a series for each status that has a value."""
    for name, (text, field) in table.items():
        family = kind(name, text, labels=[label])
        for owner, status in statuses.items():
            value = getattr(status, field)
            if value is not None:
                family.add_metric([owner], value)
        yield family


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
