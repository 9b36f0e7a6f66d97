"""A sink that cannot harm the pipeline, whatever happens to it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, cast

from edgeattr.core.errors import EdgeAttrError
from edgeattr.core.rate_limit import Throttle
from edgeattr.outputs.sink import Delivery, EventSink, SinkStatus

__all__ = ["Guarded"]

_LOG = logging.getLogger("edgeattr.sinks")


class Guarded:
    """Counts what another sink takes and what it cannot, and raises nothing.

    The first failure is logged, and then one a minute at most.

    Args:
        sink: the one to guard; belongs to this object from now on.
    """

    def __init__(self, sink: EventSink) -> None:
        self.sink = sink
        self.name = sink.name
        self.promise = sink.promise
        self.written = 0  # events taken
        self.failures = 0  # events that could not be taken
        self.last_error: str | None = None  # of the latest write, None if it succeeded
        self.last_failure: str | None = None  # of the latest write that failed
        self._lock = threading.Lock()
        self._throttle = Throttle()

    @property
    def takes_crops(self) -> bool:
        """Whether the sink was asked to keep crops."""
        return bool(getattr(self.sink, "takes_crops", False))

    def write(self, event: Mapping[str, Any], *, crop: bytes | None = None) -> None:
        """Hand one event on.

        Args:
            event: of the pipeline.
            crop: a JPEG of the person, for a sink that takes crops.
        """
        try:
            if crop is not None and self.takes_crops:
                cast(Any, self.sink).write(event, crop=crop)
            else:
                self.sink.write(event)
        except Exception as error:
            self._note(error)
        else:
            with self._lock:
                self.written += 1
                self.last_error = None

    def status(self) -> SinkStatus:
        """How the sink is doing."""
        delivery: Delivery | None = None
        broken: str | None = None
        if hasattr(self.sink, "delivery"):
            try:
                delivery = self.sink.delivery()
            except Exception as error:  # a damaged spool, say
                broken = _in_words(error)
        with self._lock:
            return SinkStatus(
                name=self.name,
                written=self.written,
                failed=self.failures,
                trouble=self.last_error or broken or (delivery.trouble if delivery else None),
                delivery=delivery,
            )

    def close(self) -> None:
        """Close the sink. May be called twice."""
        try:
            self.sink.close()
        except Exception as error:
            _LOG.warning("%s: closing failed: %s", self.name, _in_words(error))

    def _note(self, error: Exception) -> None:
        said = _in_words(error)
        with self._lock:
            self.failures += 1
            self.last_error = self.last_failure = said
            count = self.failures
        if self._throttle.allows():
            expected = isinstance(error, EdgeAttrError)
            _LOG.error(
                "%s: %d events lost so far: %s", self.name, count, said,
                exc_info=None if expected else error,
            )  # fmt: skip


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, EdgeAttrError) else repr(error)
