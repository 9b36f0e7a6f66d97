from pathlib import Path

import pytest

from edgeattr.errors import InputError
from edgeattr.video.source import VideoSource


def test_every_frame_in_order_with_its_time(walking_video: Path) -> None:
    with VideoSource(str(walking_video)) as source:
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
    with VideoSource(str(cut)) as source:
        count = len(list(source.frames()))
        assert 0 < count < 38
        assert f"ends after frame {count} of 40" in (source.shortfall or "")


@pytest.mark.parametrize("content", [b"", b"this is no video at all\n" * 50])
def test_what_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"text\.mp4: (is empty|not a video)"):
        VideoSource(str(path))


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        VideoSource(str(tmp_path / "none.mp4"))
    with pytest.raises(InputError, match="is a directory"):
        VideoSource(str(tmp_path))


def test_raw_h264_has_no_length_but_all_frames(shared: Path) -> None:
    with VideoSource(str(shared / "videos" / "people-detection.264")) as source:
        assert source.size == (768, 432)
        assert 1 <= source.rate <= 240
        assert sum(1 for _ in source.frames()) == 596
        assert source.shortfall is None
