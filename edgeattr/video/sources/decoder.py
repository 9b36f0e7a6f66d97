"""Decodes video with FFmpeg (PyAV): files and network streams take the same way."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from edgeattr.core.crops import Image
from edgeattr.core.errors import UsageError, importing
from edgeattr.video.sources.address import without_password
from edgeattr.video.sources.frame import StreamLost

_DEFAULT_RATE = 25.0  # frames/s where the stream does not say
_RATES = (0.01, 240.0)  # what a stream may say and be believed
_HD = (1280, 577)  # width or height from which an unspecified matrix is BT.709, as in mpv
_LARGE = 1920 * 1088  # pixels of a picture up to which threads cost more than they bring
_BT601, _BT709, _BT2020 = 5, 1, 9  # swscale's SWS_CS_*
_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED; RGB (0) and YCgCo (8) are left to swscale
_MATRICES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: _BT2020, 10: _BT2020}  # AVCOL_SPC_*
_LIMITED, _FULL = 1, 2  # AVCOL_RANGE_*
_TURNS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
}  # of FFmpeg's angle, which is counterclockwise


class Decoder:
    """The first video stream of a file or an address.

    Args:
        address: a path, or a URL that FFmpeg understands.
        options: of FFmpeg's demuxer.
        timeout: seconds to open it, and to wait for data; None waits for ever.
        hwaccel: decode on this kind of device, where there is one.
        threads: that decode pictures larger than full HD; one decodes all others.

    Raises:
        StreamLost: it cannot be opened, or holds no video that FFmpeg can decode.
        UsageError: there is no such hardware decoder here.
        MissingDependency: PyAV is not installed.
    """

    def __init__(
        self,
        address: str,
        *,
        options: dict[str, str] | None = None,
        timeout: tuple[float, float] | None = None,
        hwaccel: str | None = None,
        threads: int = 1,
    ) -> None:
        with importing("av", extra=None, purpose="read videos"):
            import av
            from av.video.reformatter import VideoReformatter
        self._errors = (av.error.FFmpegError, OSError, ValueError)
        self._damage = (av.error.InvalidDataError, av.error.PatchWelcomeError)
        self._convert = VideoReformatter().reformat
        self.damaged = 0  # packets that could not be decoded
        try:
            self._container: Any = av.open(
                address,
                options=options or {},
                timeout=timeout,
                hwaccel=_accelerator(hwaccel),
                metadata_errors="replace",
            )
        except self._errors as error:
            raise StreamLost(f"cannot be opened ({_reason(error)})") from error
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:
            self.close()
            raise StreamLost(
                "sends a codec that FFmpeg cannot decode" if streams else "carries no video"
            )
        self._stream: Any = streams[0]
        context = self._stream.codec_context
        context.thread_type = "AUTO"
        context.thread_count = threads if context.width * context.height > _LARGE else 1
        self.format: str = self._container.format.name
        self.rate = self._rate()
        self.duration = _seconds(self._container.duration)  # of the container; None: not known

    def pictures(self) -> Iterator[tuple[Image, float | None] | None]:
        """Pictures, uint8 [H, W, 3] BGR, upright, and their time stamps in seconds, None if unset.

        None stands for a packet after which there is no picture (yet).

        Raises:
            StreamLost: the sender is gone or the decoder failed.
        """
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except self._damage:
                    self.damaged += 1
                    frames = []
                for frame in frames:
                    yield self._upright_bgr(frame), frame.time
                if not frames:
                    yield None
        except self._errors as error:
            raise StreamLost(f"was lost ({_reason(error)})") from error

    @property
    def frame_count(self) -> int | None:
        """Frames that the container lists and shows: edit lists may hide some. None: not known."""
        shown = sum(not entry.is_discard for entry in self._stream.index_entries)
        if self._stream.frames and "mp4" in self.format:  # its index is whole from the start
            return min(shown, int(self._stream.frames))
        return int(self._stream.frames) or None

    def close(self) -> None:
        """Hang up. May be called twice."""
        self._container.close()

    def _rate(self) -> float:
        """Frames per second; of raw streams by the codec's own header."""
        stream = self._stream
        raw = stream.codec_context.framerate if self.format in ("h264", "hevc") else None
        return believed_rate(float(raw or stream.average_rate or stream.guessed_rate or 0))

    def _upright_bgr(self, frame: Any) -> Image:
        full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
        matrix = _matrix(frame.colorspace, frame.width, frame.height)
        even = frame.width % 2 == 0 and frame.height % 2 == 0
        if frame.format.name == "yuv420p" and matrix == _BT601 and not full and even:
            # the one kind that OpenCV converts, with less work than swscale
            image = np.asarray(cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2BGR_I420), np.uint8)
        else:
            converted = self._convert(
                frame,
                format="bgr24",
                src_colorspace=matrix,
                src_color_range=_FULL if full or frame.format.is_rgb else _LIMITED,
                dst_color_range=_FULL,
                threads=1,
            )
            image = np.asarray(converted.to_ndarray(), np.uint8)
        turn = _TURNS.get(round(frame.rotation) % 360)
        return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)


@functools.cache
def _matrix(matrix: int, width: int, height: int) -> int | None:
    """swscale's number of the matrix of a frame; by its size where it is unspecified."""
    if matrix == _UNSPECIFIED:
        return _BT709 if width >= _HD[0] or height >= _HD[1] else _BT601
    return _MATRICES.get(matrix)


def believed_rate(rate: float) -> float:
    """Frames per second that a stream says it has, or 25 where that cannot be."""
    return rate if math.isfinite(rate) and _RATES[0] <= rate <= _RATES[1] else _DEFAULT_RATE


def _seconds(duration: int | None) -> float | None:
    """Seconds of AV_TIME_BASE units."""
    return duration / 1e6 if duration and duration > 0 else None


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


def _reason(error: BaseException) -> str:
    """What went wrong, without the address that FFmpeg puts beside it."""
    text = getattr(error, "strerror", None) or str(error)
    return without_password(str(text))
