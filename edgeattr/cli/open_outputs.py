"""The outputs that a site asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeattr.cli.site_config import Site
from edgeattr.model import AttributeModel
from edgeattr.outputs.explanation_writer import ExplanationWriter
from edgeattr.outputs.home_assistant import Camera, HomeAssistantOutput
from edgeattr.outputs.jsonl import EventsFile
from edgeattr.outputs.mqtt import MqttOutput
from edgeattr.outputs.onvif import OnvifOutput
from edgeattr.outputs.store_writer import StoreWriter
from edgeattr.outputs.thumbnails import ThumbnailWriter
from edgeattr.outputs.webhook import WebhookOutput
from edgeattr.video.output import Output

__all__ = ["open_outputs"]

_MIB = 1 << 20


def open_outputs(site: Site, model: AttributeModel) -> Iterator[Output]:
    """Open one after the other; the store first, so that what others tell is kept already.

    Args:
        site: asks for them.
        model: explains its answers.

    Raises:
        OutputError: one cannot be written, or another run writes to it.
        UsageError: an address or an option makes no sense.
        InputError: Home Assistant is to be told of an attribute that the model does not know.
        MissingDependency: one needs a package that is not installed.
    """
    if crops := site.crops:
        yield ThumbnailWriter(**vars(crops))
    if evidence := site.evidence:
        yield ExplanationWriter(model=model, **vars(evidence))
    if store := site.store:
        yield StoreWriter(**vars(store))
    if mqtt := site.mqtt:
        broker = MqttOutput(
            mqtt.url,
            topic=mqtt.topic,
            client_id=mqtt.client_id,
            ca=mqtt.ca,
            cert=mqtt.cert,
            key=mqtt.key,
            spool=mqtt.spool,
            spool_mb=mqtt.spool_mb,
        )
        yield broker
        if mqtt.home_assistant:
            for name in mqtt.attributes:
                model.decision.schema.index(name)  # raises where there is no such attribute
            yield HomeAssistantOutput(broker, _cameras(site, mqtt.attributes))
        if mqtt.onvif:
            yield OnvifOutput(broker)
    if webhook := site.webhook:
        yield WebhookOutput(**vars(webhook))
    if events := site.events:
        most = round(events.rotate_mb * _MIB) if events.rotate_mb else None
        append = site.is_endless if events.append is None else events.append
        yield EventsFile(events.file, append=append, max_bytes=most, keep=events.keep)


def _cameras(site: Site, attributes: Sequence[str]) -> list[Camera]:
    """What Home Assistant is told of each source."""
    return [
        Camera(
            stream=stream,
            zones=places.zones,
            lines=places.lines,
            alerts=[rule.name for rule in site.alert if rule.camera in (None, stream)],
            attributes=attributes,
        )
        for stream, places in site.places.items()
    ]
