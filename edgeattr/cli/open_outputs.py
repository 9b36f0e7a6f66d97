"""The sinks that a site asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgeattr.cli.site_config import Site
from edgeattr.outputs.failsafe_sink import Guarded
from edgeattr.outputs.jsonl import EventsFile
from edgeattr.outputs.mqtt import MqttSink
from edgeattr.outputs.sink import EventSink
from edgeattr.outputs.store_writer import StoreSink
from edgeattr.outputs.webhook import WebhookSink

__all__ = ["open_sinks"]

_MIB = 1 << 20


def open_sinks(site: Site) -> list[Guarded]:
    """Open them all, or none; the store first, so that what others tell is kept already.

    Raises:
        OutputError: one cannot be written.
        UsageError: an address or an option makes no sense.
        MissingDependency: one needs a package that is not installed.
    """
    with contextlib.ExitStack() as opening:
        sinks = [opening.enter_context(contextlib.closing(Guarded(sink))) for sink in _sinks(site)]
        opening.pop_all()
    return sinks


def _sinks(site: Site) -> Iterator[EventSink]:
    if store := site.store:
        yield StoreSink(store.path, retention_days=store.retention_days)
    if mqtt := site.mqtt:
        yield MqttSink(
            mqtt.url,
            topic=mqtt.topic,
            client_id=mqtt.client_id,
            ca=mqtt.ca,
            cert=mqtt.cert,
            key=mqtt.key,
            spool=mqtt.spool,
            max_bytes=round(mqtt.spool_mb * _MIB),
        )
    if webhook := site.webhook:
        yield WebhookSink(
            webhook.url,
            batch=webhook.batch,
            token=webhook.token,
            secret=webhook.secret,
            ca=webhook.ca,
            spool=webhook.spool,
            max_bytes=round(webhook.spool_mb * _MIB),
        )
    if events := site.events:
        most = round(events.rotate_mb * _MIB) if events.rotate_mb else None
        yield EventsFile(events.file, append=events.append, max_bytes=most, keep=events.keep)
