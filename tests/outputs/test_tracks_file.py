"""Tracks as MOTChallenge reads them."""

from pathlib import Path

import numpy as np
import pytest

from edgeattr.core.errors import OutputError
from edgeattr.outputs.tracks_file import TracksFile
from edgeattr.video.sources import Frame
from edgeattr.video.tracker import EarlierBox, TrackedBox

from ..small_disk import small_disk

_PERSON = TrackedBox(3, (10.0, 20.5, 60.0, 200.0), 0.87654)


def _frame(index: int) -> Frame:
    return Frame(image=np.zeros((4, 4, 3), np.uint8), index=index, seconds=index / 25)


def test_lines_are_as_motchallenge_has_them(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    tracks = TracksFile(path)
    tracks.write_tracks("cam", _frame(0), [_PERSON, _PERSON], [])
    tracks.write_tracks("cam", _frame(1), [], [])
    tracks.write_tracks("cam", _frame(2), [_PERSON], [EarlierBox(1 / 25, _PERSON, found=True)])
    tracks.close()
    tracks.close()
    line = "3,10.00,20.50,50.00,179.50,0.8765,-1,-1,-1"
    assert path.read_text().splitlines() == [f"{frame},{line}" for frame in (1, 1, 2, 3)]


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with small_disk(folder):
        tracks = TracksFile(folder / "tracks.csv")
        with pytest.raises(OutputError, match="cannot be written"):
            _fill(tracks)
        tracks.close()


def _fill(tracks: TracksFile) -> None:
    for index in range(10_000):
        tracks.write_tracks("cam", _frame(index), [_PERSON] * 10, [])
