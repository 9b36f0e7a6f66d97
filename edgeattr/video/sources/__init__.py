"""Where frames come from: files, folders of images, cameras and network addresses."""

from edgeattr.video.sources.address import SourceOptions, SourceSpec, check_source
from edgeattr.video.sources.device import check_camera
from edgeattr.video.sources.frame import Frame, Source
from edgeattr.video.sources.open import open_source

__all__ = [
    "Frame",
    "Source",
    "SourceOptions",
    "SourceSpec",
    "check_camera",
    "check_source",
    "open_source",
]
