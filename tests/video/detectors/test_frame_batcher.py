"""Frames of several threads in one run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from edgeattr.core import hub
from edgeattr.core.crops import Image
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.errors import RuntimeFailure
from edgeattr.video.detectors import BundleDetector
from edgeattr.video.detectors.bundle_detector import FrameBatcher
from edgeattr_runtimes.detection import open_detection

from .networks import same

Floats = npt.NDArray[np.float32]


def test_frames_that_wait_run_together_by_shape() -> None:
    sizes: list[tuple[int, ...]] = []
    goes_on, begun = threading.Event(), threading.Event()

    def run(frames: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        sizes.append(frames.shape[:2])
        begun.set()
        assert goes_on.wait(30)
        values = frames[:, 0, 0, 0].astype(np.float32)
        return np.tile(values[:, None, None], (1, 1, 4)), values[:, None]

    batcher = FrameBatcher(run, 4)
    frames = [np.full((1, 2 + 2 * (value % 2), 2, 3), value, np.uint8) for value in range(10)]
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(batcher, frames[0])
        assert begun.wait(30)
        others = [pool.submit(batcher, frame) for frame in frames[1:]]
        while len(batcher.waiting) < 9:
            pass
        goes_on.set()
        values = [float(call.result()[1][0]) for call in (first, *others)]
    assert values == list(range(10))
    assert sorted(sizes) == [(1, 2), (1, 4), (4, 2), (4, 4)]


def test_a_run_that_fails_tells_all_who_wait_and_ends_nothing() -> None:
    fails = True

    def run(frames: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        if fails:
            raise RuntimeFailure("the GPU is gone")
        return np.zeros((len(frames), 1, 4), np.float32), np.zeros((len(frames), 1), np.float32)

    batcher = FrameBatcher(run, 4)
    frame = np.zeros((1, 2, 2, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        for call in [pool.submit(batcher, frame) for _ in range(8)]:
            with pytest.raises(RuntimeFailure, match="the GPU is gone"):
                call.result()
    fails = False
    assert batcher(frame)[1].tolist() == [0]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_batches_find_what_single_frames_do(engine: str) -> None:
    bundle = DetectionBundle.read(hub.person_bundle())
    golden: list[Image] = list(bundle.golden.frames)
    frames = [*golden, golden[0][:, ::-1].copy(), golden[1][:96, :96].copy()] * 2
    with (
        BundleDetector(bundle, open_detection(bundle, engine, threads=1)) as alone,
        BundleDetector(bundle, open_detection(bundle, engine, threads=1, batch=4)) as together,
        ThreadPoolExecutor(8) as pool,
    ):
        expected = [alone.detect(frame) for frame in frames]
        found = list(pool.map(together.detect, frames))
    assert sum(map(len, expected)) > 4
    assert all(same(*pair, pixels=0.5) for pair in zip(found, expected, strict=True))
