import os
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from edgeattr.outputs import SegmentedVideo
from edgeattr.video.sources import Source

_IMAGE = np.full((48, 64, 3), 90, np.uint8)


def _begun(path: Path, *, rate: float = 10.0, live: bool = False) -> SegmentedVideo:
    video = SegmentedVideo(path)
    video.begin(cast(Source, types.SimpleNamespace(rate=rate, live=live)))
    return video


def _frames(path: Path) -> int:
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    return count


def test_frames_are_shown_at_their_times(tmp_path: Path) -> None:
    video = _begun(tmp_path / "a.mp4")
    for seconds in (5.0, 5.1, 5.1, 7.0):  # a camera may give two frames at one time
        video.write_frame("a", _IMAGE, seconds)
    video.close()
    video.close()
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    times = []
    while capture.read()[0]:
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    assert times == pytest.approx([0.0, 0.1, 0.1, 2.0], abs=0.01)


def test_a_live_stream_begins_a_new_file_every_hour_and_replaces_none(tmp_path: Path) -> None:
    for _ in range(2):  # as after a restart
        video = _begun(tmp_path / "door.mp4", rate=1.0, live=True)
        for minute in range(0, 121, 20):
            video.write_frame("door", _IMAGE, minute * 60.0)
        video.close()
    videos = sorted(tmp_path.glob("door-*Z*.mp4"))
    assert sorted(map(_frames, videos)) == [1, 1, 3, 3, 3, 3]
    assert not (tmp_path / "door.mp4").exists()


def test_parts_that_a_kill_left_are_removed_once_they_are_old(tmp_path: Path) -> None:
    old, new = tmp_path / ".door-abcd1234.mp4", tmp_path / ".door-defg5678.mp4"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    _begun(tmp_path / "door.mp4")
    assert list(tmp_path.iterdir()) == [new]


_KILLED = """
import os, signal, sys, types, pathlib, numpy as np
from edgeattr.outputs import SegmentedVideo
video = SegmentedVideo(pathlib.Path(sys.argv[1]))
video.begin(types.SimpleNamespace(rate=10.0, live=True))
for index in range(600):
    image = np.random.default_rng(index).integers(0, 255, (48, 64, 3), np.uint8)
    video.write_frame("door", image, index / 10)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_live_video_that_a_kill_cut_short_is_found_again(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, tmp_path / "door.mp4"], check=False)
    (_,) = tmp_path.glob(".door-*.mp4")
    _begun(tmp_path / "door.mp4", live=True)
    (video,) = tmp_path.iterdir()
    assert video.name.startswith("door-20")
    assert video.name.endswith("Z.mp4")
    assert _frames(video) >= 450


def test_parts_of_other_cameras_are_left_alone(tmp_path: Path) -> None:
    names = (".door-2-20261125T193000Z-abcd1234.mp4", ".door-2-abcd1234.mp4", ".door-abc.mp4")
    for name in names:
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - 7200,) * 2)
    for hourly in (True, False):
        _begun(tmp_path / "door.mp4", live=hourly)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    odd = tmp_path / ".cam[1]-abcd1234.mp4"
    odd.write_bytes(b"half")
    os.utime(odd, (time.time() - 7200,) * 2)
    _begun(tmp_path / "cam[1].mp4")
    assert not odd.exists()
