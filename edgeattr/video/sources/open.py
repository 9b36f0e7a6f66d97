"""From the name of a source to the source."""

from __future__ import annotations

from pathlib import Path

from edgeattr.video.sources.address import SourceSpec, check_source, kind_of, local_path
from edgeattr.video.sources.device import DeviceConnection
from edgeattr.video.sources.file import VideoFileSource
from edgeattr.video.sources.folder import ImageFolderSource
from edgeattr.video.sources.frame import Source
from edgeattr.video.sources.live import LiveSource
from edgeattr.video.sources.network import NetworkConnection

__all__ = ["open_source"]


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
    address, name, options = spec.address, spec.name, spec.options
    check_source(address)
    kind = kind_of(address)
    if kind == "folder":
        path = Path(local_path(address) or "")
        return ImageFolderSource(path, name=spec.shown, options=options)
    if kind == "file":
        return VideoFileSource(address, name=name, options=options)
    if kind == "network":
        return LiveSource(spec.shown, lambda: NetworkConnection(address, options))
    return LiveSource(spec.shown, lambda: DeviceConnection(address))
