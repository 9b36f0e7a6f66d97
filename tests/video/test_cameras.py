"""Eight RTSP cameras of which four fail, each in its own way."""

import time
from collections.abc import Iterator

import pytest

import edgeattr
from edgeattr.video.detectors import Detector
from edgeattr.video.pipeline import Pipeline
from edgeattr.video.sources import SourceSpec
from edgeattr.video.status import StreamStatus

from ..waiting import until
from .cameras import Camera, skip_without_gstreamer
from .fake_detector import FakeDetector

_RATE = 10  # frames/s of each camera
_BACK = 10.0  # seconds in which a stream must be back after its camera's return


@pytest.fixture
def cameras() -> Iterator[list[Camera]]:
    skip_without_gstreamer()
    opened = [Camera(rate=_RATE) for _ in range(8)]
    yield opened
    for camera in opened:
        camera.kill()


@pytest.mark.slow
def test_four_cameras_fail_and_four_do_not_notice(cameras: list[Camera]) -> None:
    names = ["killed", "stalled", "resized", "garbage", "a", "b", "c", "d"]
    killed, stalled, resized, garbage = cameras[:4]
    with edgeattr.load(threads=1) as model, Pipeline(model, FakeDetector()) as pipeline:

        def now(name: str) -> StreamStatus:
            return next(status for status in pipeline.status() if status.stream == name)

        for name, camera in zip(names, cameras, strict=True):
            pipeline.add(SourceSpec(address=camera.address, name=name, stall_seconds=3.0))
        until(lambda: all(status.frames > 5 for status in pipeline.status()), 60)

        start = time.monotonic()
        before = {name: now(name).frames for name in names}
        killed.kill()
        stalled.freeze()
        resized.tell("size 480 360")
        garbage.tell("garbage")
        away = ("killed", "stalled", "garbage")
        until(lambda: all(now(name).state == "stalled" for name in away), 15)
        frozen = {name: now(name).frames for name in names}
        killed.start()
        stalled.thaw()
        garbage.tell("clean")
        until(lambda: all(now(name).frames > frozen[name] + 5 for name in away), _BACK)
        seconds = time.monotonic() - start
        for name in ("resized", "a", "b", "c", "d"):
            assert (now(name).frames - before[name]) / seconds > 0.85 * _RATE, name
            assert now(name).reconnects == 0
        assert now("killed").reconnects == 1
        assert now("garbage").frames_damaged > 0
        pipeline.stop()
        assert pipeline.wait(10)
        for status in pipeline.status():
            assert status.frames_waiting == 0
            assert status.frames_in == status.frames + status.dropped_frames
            assert status.state == "ended"


def test_a_camera_is_added_lost_back_and_removed(
    detector: Detector, caplog: pytest.LogCaptureFixture
) -> None:
    skip_without_gstreamer()
    camera = Camera(rate=_RATE)
    try:
        with edgeattr.load(threads=1) as model, Pipeline(model, detector) as pipeline:
            name = pipeline.add(camera.address)
            assert "secret" not in name
            until(lambda: pipeline.status()[0].frames > 3, 30)
            camera.kill()
            until(lambda: pipeline.status()[0].state == "stalled", 15)
            seen = pipeline.status()[0].frames
            camera.start()
            until(lambda: pipeline.status()[0].frames > seen + 3, _BACK)
            (summary,) = pipeline.remove(name)
            assert summary.frames > seen
            assert pipeline.status() == []
    finally:
        camera.kill()
    assert "secret" not in caplog.text
