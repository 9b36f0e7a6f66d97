import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.crops import Image
from edgeattr.core.errors import InputError
from edgeattr.video.sources import SourceOptions, open_source
from edgeattr.video.sources.file import VideoFileSource


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
    path: Path, frames: list[Image], *, keyint: int = 250, times: list[int] | None = None
) -> None:
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
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
