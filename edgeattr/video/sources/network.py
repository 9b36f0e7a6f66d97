"""A connection to a network camera: RTSP, HTTP (MJPEG and others), RTMP, SRT, UDP."""

from __future__ import annotations

import time
from collections.abc import Iterator

from edgeattr.core.crops import Image
from edgeattr.video.sources.address import SourceOptions
from edgeattr.video.sources.connection import StreamLost
from edgeattr.video.sources.decoder import Decoder

__all__ = ["NetworkConnection"]

_OPEN_SECONDS = 5.0  # to connect, and to see what is sent
_RTSP_TRIES = 2  # times that FFmpeg's RTSP reader waits before it gives up


class NetworkConnection:
    """An open network stream. See :class:`edgeattr.video.sources.connection.Connection`.

    Args:
        address: a URL that FFmpeg understands; credentials in it are used and never shown.
        options: how it is read.

    Raises:
        StreamLost, UsageError, MissingDependency: see :class:`Decoder`.
    """

    def __init__(self, address: str, options: SourceOptions) -> None:
        rtsp = address.lower().startswith("rtsp")
        self._patience = options.stall_seconds
        self._decoder = Decoder(
            address,
            options={"rtsp_transport": options.transport} if rtsp else {},
            timeout=(_OPEN_SECONDS, self._patience / (_RTSP_TRIES if rtsp else 1)),
            hwaccel=options.hwaccel,
            threads=1,  # other streams want the rest
        )
        self._has_clock = "mpjpeg" not in self._decoder.format
        self.rate = self._decoder.rate
        self.finite = address.lower().startswith("http") and bool(self._decoder.duration)

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded."""
        return self._decoder.damaged

    def pictures(self) -> Iterator[tuple[Image, float | None]]:
        """See :meth:`edgeattr.video.sources.connection.Connection.pictures`."""
        last = time.monotonic()
        for picture in self._decoder.pictures():
            if picture is not None:
                image, seconds = picture
                yield image, seconds if self._has_clock else None
                last = time.monotonic()
            elif time.monotonic() - last > self._patience:
                raise StreamLost(f"sends data, but no picture for {self._patience:g} s")

    def close(self) -> None:
        """Hang up."""
        self._decoder.close()
