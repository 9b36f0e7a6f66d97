import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError
from edgeattr.video.sources import SourceOptions, open_source
from edgeattr.video.sources.file import VideoFileSource, steady_times


def test_every_frame_in_order_with_its_time(walking_video: Path) -> None:
    with VideoFileSource(str(walking_video)) as source:
        assert source.size == (320, 240)
        assert source.rate == pytest.approx(10)
        assert source.announced_frames == 40
        frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(40))
    assert frames[-1].seconds == pytest.approx(3.9)
    assert source.shortfall is None


def test_a_cut_off_file_gives_what_it_has_and_says_what_is_missing(
    walking_video: Path, tmp_path: Path
) -> None:
    content = walking_video.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) * 6 // 10])
    with VideoFileSource(str(cut)) as source:
        count = len(list(source.frames()))
        assert 0 < count < 38
        assert f"only {count} of 40 frames" in (source.shortfall or "")


@pytest.mark.parametrize("content", [b"", b"this is no video at all\n" * 50])
def test_what_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"text\.mp4: (is empty|not a video)"):
        VideoFileSource(str(path))


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        VideoFileSource(str(tmp_path / "none.mp4"))
    with pytest.raises(InputError, match="is a directory without images"):
        open_source(str(tmp_path))


def test_raw_h264_has_no_length_but_all_frames(shared: Path) -> None:
    with VideoFileSource(str(shared / "videos" / "people-detection.264")) as source:
        assert source.size == (768, 432)
        assert 1 <= source.rate <= 240
        assert sum(1 for _ in source.frames()) == 596
        assert source.shortfall is None


def test_a_damaged_packet_costs_only_its_own_frames(tmp_path: Path) -> None:
    """Twelve groups of pictures; garbage in the middle of the file spoils one or two."""
    path = tmp_path / "long.mp4"
    rng = np.random.default_rng(0)
    _write(path, [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(120)], keyint=10)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)
    with VideoFileSource(str(path)) as source:
        assert 90 < sum(1 for _ in source.frames()) <= 120


def test_times_are_the_container_s(tmp_path: Path) -> None:
    path = tmp_path / "variable.mp4"
    times = [0, 100, 200, 1200, 1300, 3000]  # milliseconds
    _write(path, [np.full((64, 64, 3), 20 * i, np.uint8) for i in range(6)], times=times)
    with VideoFileSource(str(path)) as source:
        seconds = [frame.seconds for frame in source.frames()]
    assert seconds == pytest.approx([time / 1000 for time in times], abs=0.01)


def _write(
    path: Path,
    frames: list[Image],
    *,
    keyint: int = 250,
    times: list[int] | None = None,
    options: dict[str, str] | None = None,
) -> None:
    import av

    with av.open(str(path), "w", options=options or {"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=1000 if times else 10)
        stream.options = {"g": str(keyint), "bf": "0"}
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = times[index] if times else index
            frame.time_base = Fraction(1, 1000 if times else 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_name_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    with pytest.raises(InputError, match="rename the file"):
        VideoFileSource(name)


def test_a_camera_that_refuses_is_not_told_to_be_converted() -> None:
    with pytest.raises(
        InputError, match=r"clip\.mp4 cannot be opened \(Connection refused\)"
    ) as told:
        VideoFileSource("https://user:secret@127.0.0.1:9/clip.mp4")
    assert "secret" not in str(told.value)
    assert "convert" not in str(told.value)


def test_a_loop_starts_again_with_times_that_go_on(walking_video: Path) -> None:
    seconds = []
    with VideoFileSource(str(walking_video), options=SourceOptions(loop=True)) as source:
        assert source.announced_frames is None
        for frame in source.frames():
            seconds.append(frame.seconds)
            assert frame.index == len(seconds) - 1
            if len(seconds) == 90:
                source.stop()
        assert source.shortfall is None
    assert len(seconds) == 90
    assert seconds[-1] == pytest.approx(8.9)


def test_an_address_of_a_file(walking_video: Path) -> None:
    with VideoFileSource(walking_video.as_uri(), name="door") as source:
        assert source.name == "door"
        assert sum(1 for _ in source.frames()) == 40


_STEP = 0.04


_TRUE = [index * _STEP for index in range(500)]
_PAUSED = [t if i < 200 else t + 600 for i, t in enumerate(_TRUE)]
_STAMPS = {  # what a recorder stamps, and the true seconds
    "hours away now and then": ([t + 7200 if i % 50 == 7 else t - 86400 if i % 90 == 8 else t
                                 for i, t in enumerate(_TRUE)], _TRUE),
    "hours away for a while": (
        [t + 5 * 3600 if 100 <= i < 130 else t for i, t in enumerate(_TRUE)], _TRUE
    ),
    "back by an hour": ([t if i < 200 else t - 3600 for i, t in enumerate(_TRUE)], _TRUE),
    "wraps": ([(t + 95443.7 - 5) % 95443.7 for t in _TRUE], _TRUE),  # 33 bits of 90 kHz
    "starts negative": ([t - 30 for t in _TRUE], _TRUE),
    "the same twice": ([2 * _STEP * (i // 2) for i in range(500)], _TRUE),
    "without": ([None] * 500, _TRUE),
    "with gaps": ([None if i % 3 else t for i, t in enumerate(_TRUE)], _TRUE),
    "a pause of ten minutes": (_PAUSED, _PAUSED),
    "one picture in ten seconds": ([250 * t for t in _TRUE], [250 * t for t in _TRUE]),
}  # fmt: skip


@pytest.mark.parametrize("kind", _STAMPS)
def test_clocks_of_recorders(kind: str) -> None:
    stamps, true = _STAMPS[kind]
    image, step = np.zeros((2, 2, 3), np.uint8), true[1]
    found = [seconds for _, seconds in steady_times(((image, s) for s in stamps), step)]
    assert len(found) == len(true)
    assert np.diff(found).min() > 0
    assert np.abs(np.array(found) - true).max() < 0.5


def test_a_container_whose_stamps_go_hours_away(tmp_path: Path) -> None:
    """A Matroska file of which one cluster's time stamp is spoilt, as recorders leave them."""
    path = tmp_path / "recorder.mkv"
    frames = [np.full((64, 64, 3), 2 * i, np.uint8) for i in range(100)]
    start = 100_000  # milliseconds: three bytes
    times = [start + 100 * i for i in range(100)]
    _write(path, frames, keyint=10, times=times, options={"cluster_time_limit": "1000"})
    content = bytearray(path.read_bytes())
    clusters = [i for i in range(len(content)) if content[i : i + 4] == b"\x1f\x43\xb6\x75"]
    assert len(clusters) > 5
    place = content.index(b"\xe7", clusters[4]) + 1  # Timestamp: its size, then milliseconds
    assert content[place] == 0x83  # three bytes
    content[place + 1 : place + 4] = b"\xff\xff\xff"
    path.write_bytes(content)
    with VideoFileSource(str(path)) as source:
        seconds = [frame.seconds for frame in source.frames()]
    assert len(seconds) == 100
    assert np.abs(np.array(seconds) - np.arange(100) / 10).max() < 1.0
