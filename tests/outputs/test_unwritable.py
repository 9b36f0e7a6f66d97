"""Every output names the place that cannot be written, before anything else happens."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeattr.core.errors import OutputError, UsageError
from edgeattr.outputs import (
    EventsFile,
    ExplanationWriter,
    ThumbnailWriter,
    TracksFile,
    VideoFile,
)

_VIDEO = functools.partial(VideoFile, size=(64, 48), rate=10)
_EXPLAIN = functools.partial(ExplanationWriter, model=SimpleNamespace(explained_by=""))


@pytest.mark.parametrize("output", [EventsFile, TracksFile, _VIDEO, ThumbnailWriter, _EXPLAIN])
def test_a_place_below_a_file(tmp_path: Path, output: Callable[[Path], object]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file/out\.mp4.*cannot be (written|made)"):
        output(tmp_path / "file" / "out.mp4")


def test_a_video_that_is_no_mp4(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"only \.mp4"):
        _VIDEO(tmp_path / "out.avi")
