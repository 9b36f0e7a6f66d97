"""Programs end with their own exit code, though OpenCV aborts those that end during its call."""

import subprocess
import sys
import threading

from edgeattr import AttributeModel
from edgeattr.video.pipeline import Pipeline

from .fake_detector import FakeDetector
from .test_frame_reader import DrawnSource


def test_closing_waits_for_the_source(model: AttributeModel) -> None:
    with Pipeline(model, FakeDetector()) as pipeline:
        pipeline.add(DrawnSource(1000, live=True, pause=0.3))
        pipeline.wait(0.5)
    assert "read drawn" not in {thread.name for thread in threading.enumerate()}


_LEFT_OPEN = """
import time
import cv2, numpy as np
import edgeattr
from edgeattr.video.pipeline import Pipeline
from tests.video.fake_detector import FakeDetector
from tests.video.test_frame_reader import DrawnSource

class Busy(DrawnSource):
    def frames(self):
        picture = np.zeros((4000, 4000, 3), np.uint8)
        for frame in super().frames():
            for _ in range(10):
                cv2.resize(picture, (3001, 3001), interpolation=cv2.INTER_AREA)
            yield frame

pipeline = Pipeline(edgeattr.load(), FakeDetector())
pipeline.add(Busy(1000, live=True))
time.sleep(0.5)
"""


def test_a_pipeline_that_was_not_closed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LEFT_OPEN], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
