"""Where frames come from: files, folders of images, cameras and network addresses."""

from __future__ import annotations

from pathlib import Path

from edgeattr.video.sources.address import (
    SourceOptions,
    SourceSpec,
    check_source,
    kind_of,
    local_path,
)
from edgeattr.video.sources.device import DeviceConnection, NetworkConnection, check_camera
from edgeattr.video.sources.file import VideoFileSource
from edgeattr.video.sources.folder import ImageFolderSource
from edgeattr.video.sources.frame import Frame, Source
from edgeattr.video.sources.live import LiveSource

__all__ = [
    "Frame",
    "Source",
    "SourceOptions",
    "SourceSpec",
    "check_camera",
    "check_source",
    "open_source",
]


def open_source(source: str | SourceSpec) -> Source:
    """Open a source. Live ones are connected to when their frames are asked for.

    Args:
        source: a video file, a folder of images, a camera's number, ``/dev/videoN``, ``csi:N``,
            a GStreamer pipeline, or a URL: rtsp, rtsps, http, https, rtmp, srt, udp.

    Raises:
        InputError: missing, or not a video that can be decoded.
        UsageError: no such kind of source.
    """
    spec = source if isinstance(source, SourceSpec) else SourceSpec(address=source)
    address = spec.address
    check_source(address)
    kind = kind_of(address)
    if kind == "folder":
        path = Path(local_path(address) or "")
        return ImageFolderSource(path, name=spec.shown, options=spec)
    if kind == "file":
        return VideoFileSource(address, name=spec.name, options=spec)
    if kind == "network":
        return LiveSource(spec.shown, lambda: NetworkConnection(address, spec))
    return LiveSource(spec.shown, lambda: DeviceConnection(address))
