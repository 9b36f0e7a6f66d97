"""A connection to a network camera: RTSP, HTTP (MJPEG and others), RTMP, SRT, UDP; with PyAV."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from edgeattr.core.crops import Image
from edgeattr.core.errors import MissingDependency, UsageError
from edgeattr.video.sources.address import SourceOptions, without_password
from edgeattr.video.sources.connection import StreamLost
from edgeattr.video.sources.file import believed_rate

__all__ = ["NetworkConnection"]

_OPEN_SECONDS = 5.0  # to connect, and to see what is sent
_RTSP_TRIES = 2  # times that FFmpeg's RTSP reader waits before it gives up
_QUICK = {"yuv420p"}  # formats that OpenCV converts faster than FFmpeg, and to the same colours


class NetworkConnection:
    """An open network stream.

    Args:
        address: a URL that FFmpeg understands; credentials in it are used and never shown.
        options: how it is read.

    Raises:
        StreamLost: it cannot be opened.
        UsageError: there is no such hardware decoder here.
        MissingDependency: PyAV is not installed.
    """

    def __init__(self, address: str, options: SourceOptions) -> None:
        try:
            import av
        except ImportError as error:
            raise MissingDependency("av", extra=None, purpose="read network streams") from error
        self._errors = (av.error.FFmpegError, OSError, ValueError)
        self._damage = (av.error.InvalidDataError, av.error.PatchWelcomeError)
        self._patience = options.stall_seconds
        self.damaged = 0
        rtsp = address.lower().startswith("rtsp")
        more = {"rtsp_transport": options.transport} if rtsp else {}
        patience = options.stall_seconds / (_RTSP_TRIES if rtsp else 1)
        try:
            self._container: Any = av.open(
                address,
                options=more,
                timeout=(_OPEN_SECONDS, patience),
                hwaccel=_accelerator(options.hwaccel),
            )
        except self._errors as error:
            raise StreamLost(f"cannot be opened ({_reason(error)})") from error
        if not self._container.streams.video:
            self.close()
            raise StreamLost("carries no video")
        self._stream: Any = self._container.streams.video[0]
        if self._stream.codec_context is None:
            self.close()
            raise StreamLost("sends a codec that FFmpeg cannot decode")
        self._stream.codec_context.thread_count = 1  # other streams want the rest
        self._has_clock = "mpjpeg" not in self._container.format.name
        self.rate = believed_rate(
            float(self._stream.average_rate or self._stream.guessed_rate or 0)
        )
        self.finite = address.lower().startswith("http") and bool(self._container.duration)

    def pictures(self) -> Iterator[tuple[Image, float | None]]:
        """See :meth:`edgeattr.video.sources.connection.Connection.pictures`."""
        last = time.monotonic()
        for packet in self._packets():
            for frame in self._decode(packet):
                yield _as_bgr(frame), frame.time if self._has_clock else None
                last = time.monotonic()
            if time.monotonic() - last > self._patience:
                raise StreamLost(f"sends data, but no picture for {self._patience:g} s")

    def close(self) -> None:
        """Hang up."""
        self._container.close()

    def _packets(self) -> Iterator[Any]:
        try:
            yield from self._container.demux(self._stream)
        except self._errors as error:
            raise StreamLost(f"was lost ({_reason(error)})") from error

    def _decode(self, packet: Any) -> list[Any]:
        try:
            return list(packet.decode())
        except self._damage:
            self.damaged += 1
            return []
        except self._errors as error:
            raise StreamLost(f"cannot be decoded any more ({_reason(error)})") from error


def _accelerator(name: str | None) -> Any:
    if name is None:
        return None
    from av.codec.hwaccel import HWAccel, hwdevices_available

    there = hwdevices_available()
    if name not in there:
        raise UsageError(
            f"no hardware decoder {name!r} in this FFmpeg; there are: {', '.join(there) or 'none'}"
        )
    return HWAccel(device_type=name, allow_software_fallback=True)


def _as_bgr(frame: Any) -> Image:
    even = frame.width % 2 == 0 and frame.height % 2 == 0
    if frame.format.name in _QUICK and even:
        planes: Image = frame.to_ndarray()
        return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420), np.uint8)
    image: Image = frame.to_ndarray(format="bgr24")
    return image


def _reason(error: BaseException) -> str:
    """What went wrong, without the address that FFmpeg puts beside it."""
    text = getattr(error, "strerror", None) or str(error)
    return without_password(str(text))
