"""Connections to live sources: cameras of this machine (OpenCV) and of the network (FFmpeg)."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError, UsageError
from edgeattr.video.sources.address import SourceOptions
from edgeattr.video.sources.decoder import Decoder, believed_rate
from edgeattr.video.sources.frame import StreamLost

_DEVICE = re.compile(r"\d+|/dev/video\d+")
_OPEN_SECONDS = 5.0  # to connect, and to see what is sent
_RTSP_TRIES = 2  # times that FFmpeg's RTSP reader waits before it gives up


class DeviceConnection:
    """An open camera.

    Args:
        device: a camera's number, ``/dev/videoN``, ``csi:N`` (a Jetson's camera), or a GStreamer
            pipeline that ends in ``appsink``.

    Raises:
        StreamLost: there is no such camera, or another program holds it.
        UsageError: a pipeline, and OpenCV was built without GStreamer.
    """

    finite = False
    damaged = 0

    def __init__(self, device: str) -> None:
        if " ! " in device or device.startswith("csi:"):
            self._capture = _pipeline(device)
        elif device.isdecimal():
            self._capture = cv2.VideoCapture(int(device))
        else:
            self._capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            self._capture.release()
            raise StreamLost(_why_closed(device))
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, where that is known
        self.rate = believed_rate(float(self._capture.get(cv2.CAP_PROP_FPS)))

    def pictures(self) -> Iterator[tuple[Image, float | None]]:
        """See :meth:`edgeattr.video.sources.frame.Connection.pictures`."""
        while True:
            ok, image = self._capture.read()
            if not ok or image is None:
                raise StreamLost("gives no picture any more")
            yield image.astype(np.uint8, copy=False), None

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


def check_camera(address: str) -> None:
    """Refuse ``N`` and ``/dev/videoN`` that this machine does not have; pass all other addresses.

    Raises:
        InputError: Linux has no such device.
    """
    if _DEVICE.fullmatch(address) and sys.platform == "linux" and not _path_of(address).exists():
        raise InputError(
            f"{address}: {_why_closed(address)} A site's file (--config) waits for its cameras"
        )


def csi_pipeline(number: int) -> str:
    """The GStreamer pipeline that reads a Jetson's CSI camera."""
    return (
        f"nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM),format=NV12 ! "
        "nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! "
        "appsink drop=true max-buffers=1 sync=false"
    )


def _pipeline(device: str) -> cv2.VideoCapture:
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise UsageError(
            "this OpenCV was built without GStreamer, which CSI cameras and pipelines need. The "
            "OpenCV of JetPack and of Debian's python3-opencv have it, PyPI's has not"
        )
    text = csi_pipeline(int(device[4:])) if device.startswith("csi:") else device
    return cv2.VideoCapture(text, cv2.CAP_GSTREAMER)


def _path_of(device: str) -> Path:
    return Path(f"/dev/video{device}" if device.isdecimal() else device)


def _why_closed(device: str) -> str:
    path = _path_of(device)
    if sys.platform != "linux" or path.parent != Path("/dev"):
        return "cannot be opened; is the camera plugged in, and does no other program hold it?"
    if not path.exists():
        there = ", ".join(map(str, sorted(Path("/dev").glob("video*")))) or "no camera"
        return f"cannot be opened: no {path} (this machine has {there}); is the camera plugged in?"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"cannot be opened: you may not read {path}; add yourself to the group video"
    return "cannot be opened; does another program hold the camera?"


class NetworkConnection:
    """An open network stream. See :class:`edgeattr.video.sources.frame.Connection`.

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
        """See :meth:`edgeattr.video.sources.frame.Connection.pictures`."""
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
