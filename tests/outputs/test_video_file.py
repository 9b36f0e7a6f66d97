from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edgeattr.core.errors import OutputError, RuntimeFailure
from edgeattr.outputs import VideoFile, Windows


def test_video_takes_its_name_when_complete_and_keeps_rate_and_odd_sizes(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("old")
    sink = VideoFile(path, (65, 49), 29.97)
    for shade in range(12):
        sink.write(np.full((49, 65, 3), shade * 20, np.uint8))
    sink.write(np.full((100, 80, 3), 7, np.uint8))  # the stream changed its size
    assert path.read_text() == "old"
    sink.close()
    sink.close()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (64, 48)
        assert float(stream.average_rate) == pytest.approx(29.97, abs=0.01)
        shades = [frame.to_ndarray(format="gray").mean() for frame in container.decode(stream)]
    assert len(shades) == 13
    assert np.abs(np.array(shades[:12]) - np.arange(12) * 20).max() < 12
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_the_old_video(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("old")
    sink = VideoFile(path, (64, 48), 10)
    with pytest.raises(OutputError, match="nothing was replaced"):
        sink.write(np.zeros((48, 64, 7), np.uint8))  # what the encoder refuses
    sink.close()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_opencv_without_windows_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "currentUIFramework", lambda: "")  # as headless says
    with pytest.raises(RuntimeFailure, match=r"headless has none: pip uninstall .* opencv-python$"):
        Windows()
