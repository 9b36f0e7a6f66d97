"""Real RTSP cameras for tests, each a process of its own: see rtsp_camera.py."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).with_name("rtsp_camera.py")
_PYTHON = "/usr/bin/python3"  # Debian's, for which PyGObject is packaged
_NEEDED = """
import gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
import sys
sys.exit(not all(map(Gst.ElementFactory.find, ("x264enc", "rtph264pay", "videotestsrc"))))
"""


def skip_without_gstreamer() -> None:
    """Skip the test where GStreamer's RTSP server is not installed."""
    if (
        not Path(_PYTHON).exists()
        or subprocess.run([_PYTHON, "-c", _NEEDED], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "GStreamer's RTSP server is not here: apt install python3-gi "
            "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
        )


class Camera:
    """A camera that can be killed, started again, stalled, and made to send garbage."""

    def __init__(self, *, width: int = 320, height: int = 240, rate: int = 10) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._arguments = [str(width), str(height), str(rate), "stream"]
        self.address = f"rtsp://user:secret@127.0.0.1:{self._port}/stream"
        self.start()

    def start(self) -> None:
        """Serve, again if need be."""
        self._process = subprocess.Popen(
            [_PYTHON, str(_SCRIPT), str(self._port), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def tell(self, command: str) -> None:
        """See rtsp_camera.py."""
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def freeze(self) -> None:
        """The connection stays, and nothing comes any more."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """End what freeze began."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """As when the plug is pulled. May be called twice."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
