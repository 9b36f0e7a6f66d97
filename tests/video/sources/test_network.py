"""An HTTP camera on the loopback: MJPEG, as cheap cameras send it."""

import http.server
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.cli.site_config import load_site
from edgeattr.core.errors import UsageError
from edgeattr.video.sources import SourceOptions, SourceSpec, open_source
from edgeattr.video.sources.device import NetworkConnection
from edgeattr.video.sources.frame import StreamLost

from ...waiting import until


class _Camera(http.server.ThreadingHTTPServer):
    """Sends pictures at 25 a second until `hang`, and wider ones in each further connection."""

    daemon_threads = True
    hang = False
    connections = 0
    pictures = 12  # in one connection
    credentials: str | None = None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Camera

    def do_GET(self) -> None:
        self.server.credentials = self.headers.get("Authorization")
        if not self.server.credentials:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.server.connections += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        width = 64 * self.server.connections
        for number in range(self.server.pictures):
            picture = np.full((48, width, 3), 10 * number, np.uint8)
            content = cv2.imencode(".jpg", picture)[1].tobytes()
            part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
            try:
                self.wfile.write(part % (len(content), content))
            except OSError:
                return
            while self.server.hang:
                time.sleep(0.02)
            time.sleep(0.04)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def camera() -> Iterator[_Camera]:
    server = _Camera(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.hang = False
    server.shutdown()
    server.server_close()
    thread.join()


def _address(camera: _Camera) -> str:
    return f"http://user:secret@127.0.0.1:{camera.server_address[1]}/video"


def test_pictures_credentials_and_a_new_size_after_a_reconnect(camera: _Camera) -> None:
    source = open_source(_address(camera))
    assert "secret" not in source.name
    widths = [frame.image.shape[1] for frame in itertools.islice(source.frames(), 20)]
    source.close()
    assert widths[0] == 64
    assert widths[-1] == 128
    assert sorted(widths) == widths
    assert source.reconnects == 1
    assert (camera.credentials or "").startswith("Basic ")
    assert source.live


@pytest.mark.slow  # it asks the clock
def test_a_camera_that_stalls_is_lost_in_time(camera: _Camera) -> None:
    connection = NetworkConnection(_address(camera), SourceOptions(stall_seconds=0.5))
    pictures = connection.pictures()
    next(pictures)
    camera.hang = True
    start = time.monotonic()
    with pytest.raises(StreamLost) as caught:
        list(pictures)
    connection.close()
    assert time.monotonic() - start < 5
    assert "secret" not in str(caught.value)


def test_a_camera_that_is_not_there_says_so_without_the_password() -> None:
    with pytest.raises(StreamLost, match="cannot be opened") as caught:
        NetworkConnection("rtsp://user:secret@127.0.0.1:9/none", SourceOptions())
    assert "secret" not in str(caught.value)


def test_an_unknown_hardware_decoder() -> None:
    with pytest.raises(UsageError, match="no hardware decoder 'abacus'"):
        NetworkConnection("rtsp://127.0.0.1:9/none", SourceOptions(hwaccel="abacus"))


def test_no_gstreamer_in_this_opencv() -> None:
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    source = open_source(SourceSpec(address="videotestsrc ! appsink", name="test"))
    with pytest.raises(UsageError, match="built without GStreamer"):
        next(source.frames())


@pytest.mark.skipif(sys.platform != "linux", reason="devices have other names")
@pytest.mark.parametrize("address", ["97", "/dev/video97"])
def test_a_camera_that_is_not_there_when_a_run_begins(address: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgeattr", "run", address, "--max-frames", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgeattr: {address}: cannot be opened: no /dev/video97")
    assert done.stderr.count("\n") == 1
    site = tmp_path / "site.toml"
    site.write_text("[[sources]]\naddress = '97'\n")
    assert load_site(site).sources[0].address == "97", "a site waits for it"


def test_a_camera_that_is_not_plugged_in() -> None:
    source = open_source("/dev/video97")
    frames = source.frames()
    thread = threading.Thread(target=lambda: list(frames), daemon=True)
    thread.start()
    until(lambda: source.error)
    source.stop()
    thread.join(10)
    assert "is the camera plugged in" in (source.error or "")
    assert not thread.is_alive()
