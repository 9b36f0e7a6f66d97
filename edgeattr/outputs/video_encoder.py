"""How annotated videos are encoded: by the processor, or by hardware that FFmpeg reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from edgeattr.core.errors import MissingDependency, UsageError

__all__ = ["ENCODERS", "VideoOptions", "check_encoder"]

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
        MissingDependency: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingDependency("av", extra=None, purpose="write MP4 files") from error
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
