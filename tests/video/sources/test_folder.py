from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeattr.core.errors import InputError
from edgeattr.video.sources import SourceOptions, open_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        image = np.full((48, 64, 3), 10 * number, np.uint8)
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), image)
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def test_images_by_number_at_their_times(folder: Path) -> None:
    source = open_source(str(folder))
    frames = list(source.frames())
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10 * n for n in range(12)]
    assert [frame.seconds for frame in frames] == pytest.approx([n / 25 for n in range(12)])
    assert (source.announced_frames, source.size, source.live) == (12, (64, 48), False)
    assert source.shortfall is None


def test_a_damaged_image_is_passed_over_and_named(folder: Path) -> None:
    (folder / "frame3.png").write_bytes(b"broken")
    source = open_source(str(folder))
    assert len(list(source.frames())) == 11
    assert source.damaged == 1
    assert "1 image cannot be decoded" in (source.shortfall or "")
    assert "frame3.png" in (source.shortfall or "")


def test_a_folder_that_loops_ends_when_told(folder: Path) -> None:
    from edgeattr.video.sources.folder import ImageFolderSource

    with ImageFolderSource(folder, options=SourceOptions(loop=True, image_rate=10)) as source:
        for frame in source.frames():
            if frame.index == 30:
                source.stop()
        assert frame.index == 30
        assert frame.seconds == pytest.approx(3.0)


def test_a_folder_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match="a directory without images"):
        open_source(str(tmp_path))
