"""An annotated video."""

from __future__ import annotations

import contextlib
import fcntl
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeattr.core.crops import Image
from edgeattr.core.errors import OutputError, UsageError
from edgeattr.core.files import atomic_path
from edgeattr.core.limits import available_cores

# Half the time of "veryfast" at the same SSIM, files a third larger
_X264 = {"preset": "superfast", "crf": "24", "x264-params": "rc-lookahead=0:bframes=0"}
ENCODERS: Mapping[str, Mapping[str, str]] = {  # with their options
    "libx264": _X264,
    "h264_nvenc": {"preset": "p2", "rc": "vbr", "cq": "28", "bf": "0"},  # NVIDIA
    "h264_qsv": {"preset": "veryfast", "global_quality": "26", "bf": "0"},  # Intel
    "h264_v4l2m2m": {"b": "4M"},  # Raspberry Pi and other boards
    "h264_nvmpi": {"b": "4M"},  # Jetson, where FFmpeg was built with it
    "h264_videotoolbox": {"q": "55"},  # macOS
}
_TICKS = 90_000  # a second: what MP4 and MPEG count in
_BT601, _LIMITED = 6, 1  # of FFmpeg: what OpenCV's conversion makes; players guess otherwise
_KEY_S = 5.0  # seconds between two key frames at most; what a kill can cost
_MP4_OPTIONS = {"movflags": "hybrid_fragmented"}  # can be played up to a kill; plain once closed


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """How annotated videos are written."""

    encoder: str = "libx264"  # one of ENCODERS
    max_rate: float | None = None  # frames per second; those in between are left out
    max_height: int | None = None  # pixels; larger pictures are made smaller

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise UsageError(f"encoder {self.encoder!r}; expected one of {', '.join(ENCODERS)}")
        if self.max_rate is not None and not self.max_rate > 0:
            raise UsageError(f"max_rate is {self.max_rate:g}; expected frames per second, above 0")
        if self.max_height is not None and self.max_height < 64:
            raise UsageError(f"max_height is {self.max_height}; expected 64 pixels or more")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the video, even, of frames of a size."""
        scale = min(1.0, self.max_height / height) if self.max_height else 1.0
        return round(width * scale) // 2 * 2, round(height * scale) // 2 * 2


def check_encoder(name: str) -> None:
    """Open an encoder, so that a run does not begin which could write nothing.

    Raises:
        UsageError: it does not work on this machine.
    """
    import av

    try:
        context = av.CodecContext.create(name, "w")
        context.width, context.height, context.pix_fmt = 320, 240, "yuv420p"
        context.time_base, context.options = Fraction(1, 25), dict(ENCODERS[name])
        context.open()
    except av.codec.codec.UnknownCodecError as error:
        raise UsageError(
            f"the encoder {name} is not in this FFmpeg (PyAV {av.__version__}); leave it out to "
            "encode on the processor"
        ) from error
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise UsageError(
            f"the encoder {name} does not work on this machine: no such hardware, or no driver "
            f"({getattr(error, 'strerror', None) or error}); leave it out to encode on the "
            "processor"
        ) from error


_DEFAULTS = VideoOptions()


class VideoFile:
    """An H.264 MP4 that plays in browsers; it takes its name when it is closed.

    What was written before an interruption is kept: closing makes it a whole, shorter video. If
    the encoder or the disk fails, nothing takes the place of what was there before. The file is
    readable by its owner alone, and locked (flock) while it is written.

    Args:
        path: ends in ``.mp4``.
        size: width and height of the frames.
        rate: frames per second.
        options: the encoder, and the largest picture and rate.

    Raises:
        UsageError: the name does not end in .mp4.
        OutputError: the file cannot be written.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], rate: float, options: VideoOptions = _DEFAULTS
    ) -> None:
        import av

        check_video_name(path)
        self._av, self.path = av, path
        self._size = options.size(*size)  # even: 4:2:0 wants that
        self._whole = contextlib.ExitStack()
        self._open = True
        try:
            temporary = self._whole.enter_context(atomic_path(path, private=True))
            lock = self._whole.enter_context(temporary.open("rb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._container = av.open(str(temporary), "w", options=_MP4_OPTIONS)
            exact = Fraction(rate).limit_denominator(1001)
            encoding = {**ENCODERS[options.encoder], "g": str(math.ceil(_KEY_S * rate))}
            self._stream: Any = self._container.add_stream(
                options.encoder, rate=exact, options=encoding
            )
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise self._fail(error) from error
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = available_cores()
        self._stream.codec_context.colorspace = _BT601
        self._stream.codec_context.color_range = _LIMITED
        self._stream.codec_context.time_base = Fraction(1, _TICKS)
        self._step = round(_TICKS / rate)
        self._first: float | None = None  # seconds of the first frame
        self._last = -self._step  # ticks of the last frame

    def write(self, image: Image, seconds: float | None = None) -> None:
        """Append one frame, resized if the stream changed its size.

        Args:
            image: uint8 [H, W, 3], BGR.
            seconds: of the stream: when the frame is shown, counted from the first frame; one
                step of the rate after the last if None.

        Raises:
            OutputError: the encoder failed or the disk is full.
        """
        width, height = self._size
        if image.shape[1] // 2 * 2 != width or image.shape[0] // 2 * 2 != height:
            shrunk = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
            image = shrunk.astype(np.uint8, copy=False)
        try:
            frame = self._av.VideoFrame.from_ndarray(
                cv2.cvtColor(image[:height, :width], cv2.COLOR_BGR2YUV_I420), format="yuv420p"
            )  # by OpenCV: a quarter of the time that PyAV's conversion takes
            frame.pts, frame.time_base = self._ticks(seconds), Fraction(1, _TICKS)
            self._container.mux(self._stream.encode(frame))
        except (OSError, ValueError, cv2.error, self._av.error.FFmpegError) as error:
            raise self._fail(error) from error

    def _ticks(self, seconds: float | None) -> int:
        """The time of the next frame; always later than the last one's."""
        if seconds is None:
            self._last += self._step
        else:
            self._first = seconds if self._first is None else self._first
            self._last = max(self._last + 1, round((seconds - self._first) * _TICKS))
        return self._last

    def close(self) -> bool:
        """Complete the file and put it in place. May be called twice.

        Returns:
            Whether it was this call that did.

        Raises:
            OutputError: the encoder failed or the disk is full.
        """
        if not self._open:
            return False
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._open = False
            self._whole.close()
        except (OSError, ValueError, self._av.error.FFmpegError) as error:
            raise self._fail(error) from error
        return True

    def _fail(self, error: BaseException) -> OutputError:
        """Drop the unfinished file."""
        self._open = False
        with contextlib.suppress(Exception):  # or the file keeps its place on the disk
            self._container.close()
        with contextlib.suppress(Exception):
            self._whole.__exit__(type(error), error, None)
        reason = getattr(error, "strerror", None) or error
        return OutputError(f"{self.path}: cannot be written ({reason}); nothing was replaced")


def check_video_name(path: Path) -> None:
    """Refuse what cannot be written as MP4.

    Raises:
        UsageError: the name does not end in .mp4.
    """
    if path.suffix.lower() != ".mp4":
        raise UsageError(f"output {path}: only .mp4 files can be written")
