"""Colours, rotation, hidden frames and codecs, the same through files and network."""

from __future__ import annotations

import base64
import functools
import http.server
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core.crops import Image
from edgeattr.video.sources import Frame, SourceOptions, open_source
from edgeattr.video.sources.device import NetworkConnection
from edgeattr.video.sources.file import VideoFileSource

_MATRICES = {
    "bt601": (0.299, 0.114, 6),
    "bt709": (0.2126, 0.0722, 1),
    "bt2020": (0.2627, 0.0593, 9),
}
_UNSPECIFIED = 2


def _patches(width: int, height: int) -> Image:
    """Patches of 32 x 32 pixels in as many colours, BGR."""
    rng = np.random.default_rng(3)
    colours = rng.integers(0, 256, (height // 32, width // 32, 3), dtype=np.uint8)
    return colours.repeat(32, 0).repeat(32, 1)


def _yuv(image: Image, matrix: str, *, full: bool) -> list[npt.NDArray[np.uint8]]:
    """Planes of 4:2:0, by the equations of the standards (ITU-R BT.601, 709, 2020)."""
    red, blue, _ = _MATRICES[matrix]
    b, g, r = np.moveaxis(image.astype(np.float64) / 255, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    scale, base, chroma = (255, 0, 255) if full else (219, 16, 224)
    planes = [base + scale * y, 128 + chroma * u[::2, ::2], 128 + chroma * v[::2, ::2]]
    return [np.clip(np.round(plane), 0, 255).astype(np.uint8) for plane in planes]


def _write(
    path: Path, planes: list[npt.NDArray[np.uint8]], *, space: int, colour_range: int
) -> None:
    height, width = planes[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"qp": "1"}
        stream.codec_context.colorspace = space
        stream.codec_context.color_range = colour_range
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(
                np.concatenate([plane.ravel() for plane in planes]).reshape(-1, width), "yuv420p"
            )
            frame.colorspace, frame.color_range = space, colour_range
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a web server that gives the files of the test's folder."""
    handler = functools.partial(_Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _through_both(path: Path, server: str) -> Image:
    """The first picture as a file gives it; a network stream has to give the same."""
    with VideoFileSource(str(path)) as source:
        frame: Frame = next(source.frames())
    connection = NetworkConnection(f"{server}/{path.name}", SourceOptions())
    image, _ = next(connection.pictures())
    connection.close()
    assert np.array_equal(image, frame.image)
    return image


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", list(_MATRICES))
def test_matrix_and_range_are_honoured(
    matrix: str, full: bool, tmp_path: Path, server: str
) -> None:
    path, drawn = tmp_path / "colours.mp4", _patches(320, 256)
    space = _MATRICES[matrix][2]
    _write(path, _yuv(drawn, matrix, full=full), space=space, colour_range=2 if full else 1)
    assert _error(_through_both(path, server), drawn) <= 2.0


@pytest.mark.parametrize(
    ("size", "matrix"), [((640, 480), "bt601"), ((1024, 576), "bt601"), ((1280, 704), "bt709")]
)
def test_an_unspecified_matrix_goes_by_the_size(
    size: tuple[int, int], matrix: str, tmp_path: Path, server: str
) -> None:
    path, drawn = tmp_path / "colours.mp4", _patches(*size)
    _write(path, _yuv(drawn, matrix, full=False), space=_UNSPECIFIED, colour_range=0)
    assert _error(_through_both(path, server), drawn) <= 2.0


def _error(image: Image, drawn: Image) -> float:
    return float(np.abs(image.astype(np.float64) - drawn).mean())


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_honoured(degrees: int, tmp_path: Path, server: str) -> None:
    """As players do: the metadata say by how much to turn clockwise."""
    path, drawn = tmp_path / "turned.mp4", _patches(320, 256)
    _write(path, _yuv(drawn, "bt601", full=False), space=6, colour_range=1)
    one = 1 << 16
    turned = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    _set_matrix(path, turned)
    assert _error(_through_both(path, server), np.rot90(drawn, -degrees // 90)) <= 2.0
    with VideoFileSource(str(path)) as source:
        assert source.size == ((320, 256) if degrees == 180 else (256, 320))


def _set_matrix(path: Path, turned: tuple[int, int, int, int]) -> None:
    """Write the matrix of the video's track header (ISO/IEC 14496-12, tkhd version 0)."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    a, b, c, d = turned
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def test_frames_hidden_by_an_edit_list_are_not_missing(tmp_path: Path, server: str) -> None:
    """Thirty frames of which the container shows the last eighteen, as lossless trimming leaves."""
    path = tmp_path / "trimmed.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.options = {"g": "30", "bf": "0"}
        for number in range(30):
            image = np.full((64, 64, 3), 8 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            frame.pts, frame.time_base = number - 12, Fraction(1, 10)  # before 0: an edit list
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoFileSource(str(path)) as source:
        frames = list(source.frames())
        assert source.announced_frames == len(frames) == 18
        assert source.shortfall is None
    assert frames[0].seconds == 0.0
    assert frames[0].image.mean() == pytest.approx(8 * 12, abs=3)


# Twelve frames of 64x64, each lighter by 20 than the one before. Kept, for SVT-AV1 that makes such
# puts the thread that calls it into SCHED_FIFO 99, and all else on the machine waits for the tests.
_AV1 = (
    "eNpz8fZ0Y2BQYHAMMzB0YHBg4GJgYGAEYh4GCFBgQAAhBi6QNNP6/73xBhxGAgIMR5l4DBKbGBg4GLs99hQkQPVC"
    "1BqJa3AwqEzylJ3PMMlFAGjOAwYG8aCM8w1GYhosjCyTGGTngSQEGBiA+vIkOqWB4kwtLJMS586HiyveKpl4wUjY"
    "gJmBUzXW2gFoN8hlykcqz7AygDlQu6QYb4gDGcwIy4UN2BhEow4j6aluAOlhQdKzQw/IYEXoEdVgU2EPZpBdALef"
    "cSJ/A9AobgZec1e4UTrLLoGNYkO2XgzIYEcYJWTAxyD6igGuh5k5DaSFA0lLhz6QwYlsOxeDgwMDUnAp7ljiYyRi"
    "IOTEuMATbhJjv4lXAcgsLiSzZoCs50a2XoyFjQmmiYFB+7o3AA/VQBI="
)


@pytest.mark.parametrize("codec", ["av1", "libx265", "libvpx-vp9", "mjpeg"])
def test_codecs(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "video.mkv"
    if codec == "av1":
        path.write_bytes(zlib.decompress(base64.b64decode(_AV1)))
    else:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height = 128, 128
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for number in range(12):
                image = np.full((128, 128, 3), 20 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
            container.mux(stream.encode(None))
    with open_source(str(path)) as source:  # type: ignore[attr-defined]
        frames = list(source.frames())
        assert source.shortfall is None
    assert [round(frame.image.mean() / 20) for frame in frames] == list(range(12))
    assert frames[-1].seconds == pytest.approx(1.1, abs=0.01)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_times_of_raw_h264_come_from_its_own_header(shared: Path) -> None:
    """Twelve frames a second, by its VUI; FFmpeg's demuxer would take 25."""
    with VideoFileSource(str(shared / "videos" / "people-detection.264")) as source:
        assert source.rate == pytest.approx(12)
        *_, last = source.frames()
        assert last.seconds == pytest.approx(595 / 12, abs=0.01)
        assert source.shortfall is None
