"""The encoder of annotated videos, and its largest picture and rate."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from edgeattr.core.errors import UsageError
from edgeattr.outputs.segmented_video import SegmentedVideo
from edgeattr.outputs.video_file import ENCODERS, VideoOptions, check_encoder


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="'h265'; expected one of libx264, h264_nvenc"):
        VideoOptions(encoder="h265")
    for wrong in ({"max_rate": 0.0}, {"max_height": 10}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            VideoOptions(**wrong)


def test_an_encoder_that_is_not_there_is_named() -> None:
    check_encoder("libx264")
    missing = set(ENCODERS) - set(av.codecs_available)
    assert missing, "h264_nvmpi is in no wheel"
    for name in missing:
        with pytest.raises(UsageError, match=f"{name} is not in this FFmpeg.*leave it out"):
            check_encoder(name)


def test_smaller_pictures_at_a_lower_rate(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    video = SegmentedVideo(path, VideoOptions(max_rate=5.0, max_height=120))
    video.begin(SimpleNamespace(rate=25.0, live=False))
    frame = np.full((240, 426, 3), 128, np.uint8)
    for number in range(51):
        video.write_frame("door", frame, number / 25)
    video.close()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (212, 120)
        stamps = [float(shown.time) for shown in container.decode(video=0)]
    assert stamps == pytest.approx([number / 5 for number in range(11)], abs=0.001)
