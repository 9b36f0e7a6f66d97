"""How a source is named, and what kind of source a name means."""

from __future__ import annotations

import os
import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeattr.core.errors import InputError, UsageError

Kind = Literal["file", "folder", "device", "pipeline", "network"]

_LIVE_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "tcp")
_WEB_SCHEMES = ("http", "https")
_FILE_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".264", ".h264", ".mpg")
_DEVICE = re.compile(r"\d+|/dev/video\d+|csi:\d+")
_CREDENTIALS = re.compile(r"(?<=://)\S*@")  # to the last @: passwords may hold any sign
_SECRETS = re.compile(
    r"(?i)((?:user|usr|login|pass|pas|pwd|pw|token|key|secret|auth)[a-z-]*=)[^&;#\s]*"
)


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """How sources are read."""

    transport: Literal["tcp", "udp"] = "tcp"  # of RTSP
    hwaccel: str | None = None  # decode on "cuda", "vaapi", "qsv", "drm", where there is one
    stall_seconds: float = 5.0  # without a picture, after which a live source is lost
    image_rate: float = 25.0  # frames/s of a folder of images
    loop: bool = False  # files: start again at the end, for tests of endurance

    def __post_init__(self) -> None:
        if self.transport not in ("tcp", "udp"):
            raise UsageError(f"transport {self.transport!r} is neither tcp nor udp")
        for name in ("stall_seconds", "image_rate"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise UsageError(f"{name} is {value!r}; expected a number above 0")


AS_USUAL = SourceOptions()


@dataclass(frozen=True, kw_only=True)
class SourceSpec(SourceOptions):
    """One source as it was asked for."""

    address: str  # a file, folder, camera number, device, GStreamer pipeline or URL
    name: str = ""  # what the stream is called in events; the address without credentials if empty

    @property
    def shown(self) -> str:
        """The name, or the address without credentials."""
        return self.name or printable(without_password(self.address))


def printable(text: str) -> str:
    """A file's name as text; without Python's UTF-8 mode it may hold undecoded bytes."""
    return os.fsencode(text).decode(errors="replace")


def without_password(text: str) -> str:
    """An address, or a message with addresses in it, without names, passwords and tokens."""
    return _SECRETS.sub(r"\1***", _CREDENTIALS.sub("", text))


def kind_of(address: str) -> Kind:
    """What kind of source an address means.

    Raises:
        UsageError: an address of a scheme that is not known.
    """
    if " ! " in address:
        return "pipeline"
    if _DEVICE.fullmatch(address):
        return "device"
    scheme, separator, _ = address.partition("://")
    if separator:
        scheme = scheme.lower()
        if scheme == "file":
            return kind_of(_path_of(address))
        if scheme in _WEB_SCHEMES:
            suffix = Path(urllib.parse.urlsplit(address).path).suffix.lower()
            return "file" if suffix in _FILE_SUFFIXES else "network"
        if scheme in _LIVE_SCHEMES:
            return "network"
        raise UsageError(
            f"{without_password(address)}: no source of the kind {scheme}://; there are "
            f"{', '.join((*_LIVE_SCHEMES, *_WEB_SCHEMES, 'file'))}, files, folders of images, "
            "camera numbers, /dev/videoN, csi:N and GStreamer pipelines"
        )
    try:
        return "folder" if Path(address).is_dir() else "file"
    except OSError as error:
        raise InputError(f"{address}: cannot be read ({error.strerror})") from error


def check_source(address: str) -> None:
    """Refuse what cannot be a source, without opening it.

    Raises:
        InputError: no such file, an empty one, or a name that cannot be used.
        UsageError: an address of a scheme that is not known.
    """
    if not address or "\0" in address or "\ufffd" in printable(address):
        raise InputError(f"{address!r}: not a name in UTF-8; rename the file")
    if kind_of(address) != "file" or local_path(address) is None:
        return
    path = Path(local_path(address) or "")
    try:
        if not path.exists():
            raise InputError(f"{address}: no such file")
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{address}: is empty")
        if not os.access(path, os.R_OK):
            raise InputError(f"{address}: you have no permission to read it")
    except OSError as error:
        raise InputError(f"{address}: cannot be read ({error.strerror})") from error


def local_path(address: str) -> str | None:
    """The path of a source on this machine, or None where it is elsewhere."""
    if address.lower().startswith("file://"):
        return _path_of(address)
    return None if "://" in address else address


def _path_of(address: str) -> str:
    return urllib.parse.unquote(urllib.parse.urlsplit(address).path)
