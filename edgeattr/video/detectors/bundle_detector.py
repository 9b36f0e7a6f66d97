"""The detector of a bundle: a frame's shape chooses the input's, so that little is border."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.core.detection_bundle import DetectionBundle, fit_frame, input_size
from edgeattr.core.errors import RuntimeFailure, UsageError
from edgeattr.video.detectors.protocol import Detections, suppress
from edgeattr_runtimes.detection import DetectionRuntime


class BundleDetector(Closeable):
    """A person detector from a bundle; threads may share it.

    Args:
        bundle: the detector.
        runtime: runs it; see :func:`edgeattr_runtimes.detection.open_detection`. Closed with this.
        size: pixels of the input's longer side, or its height and width; the bundle's longer side
            if None. A larger one finds smaller people and takes longer.
        min_score: boxes of at least this score are returned; the bundle's candidates if None.

    Raises:
        UsageError: a size that the detector cannot have.
    """

    def __init__(
        self,
        bundle: DetectionBundle,
        runtime: DetectionRuntime,
        *,
        size: int | tuple[int, int] | None = None,
        min_score: float | None = None,
    ) -> None:
        stride, sides = bundle.input.stride, size if isinstance(size, tuple) else (size or 0,)
        if any(side % stride for side in sides):
            runtime.close()
            raise UsageError(f"detector input {size}; expected multiples of {stride} pixels")
        self.name = bundle.name
        self._bundle = bundle
        self._size = size or bundle.input.side
        self._min_score = bundle.decision.candidate if min_score is None else min_score
        self.engine, self.precision = runtime.engine, runtime.variant.precision
        self._runtime: DetectionRuntime | None = runtime
        self._batcher = FrameBatcher(runtime.run, runtime.batch) if runtime.batch > 1 else None

    def detect(self, image: Image) -> Detections:
        """See :meth:`Detector.detect`.

        Raises:
            RuntimeFailure: the engine failed, or the detector was closed.
        """
        runtime = self._runtime
        if runtime is None:
            raise RuntimeFailure(f"the detector {self.name} was closed")
        size, stride = self._size, self._bundle.input.stride
        sides = size if isinstance(size, tuple) else input_size(image.shape, size, stride)
        frames = np.empty((1, *sides, 3), np.uint8)
        scale = fit_frame(image, frames[0])
        if self._batcher:
            boxes, scores = self._batcher(frames)
        else:
            boxes, scores = (found[0] for found in runtime.run(frames))
        keep = np.flatnonzero(scores >= self._min_score)
        overlap = self._bundle.decision.overlap
        return suppress(boxes[keep] / scale, scores[keep], overlap, image.shape)

    def close(self) -> None:
        """Release the networks; calls that run come to their end. May be called twice."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()


_Floats = npt.NDArray[np.float32]
_Run = Callable[[npt.NDArray[np.uint8]], tuple[_Floats, _Floats]]


@dataclass(eq=False)
class _Request:
    frame: npt.NDArray[np.uint8]  # [1, H, W, 3]
    found: Any = None  # boxes [K, 4] and scores [K]
    error: BaseException | None = None
    answered: bool = False


class FrameBatcher:
    """Runs what threads ask for meanwhile as one batch, with no thread of its own.

    One of those who wait runs the oldest frame and all others of its shape, while the rest wait.

    Args:
        run: frames [N, H, W, 3] to boxes [N, K, 4] and scores [N, K].
        batch: frames a call, at most.
    """

    def __init__(self, run: _Run, batch: int) -> None:
        self._run, self._batch = run, batch
        self.waiting: list[_Request] = []
        self._changed = threading.Condition()
        self._busy = False

    def __call__(self, frame: npt.NDArray[np.uint8]) -> tuple[_Floats, _Floats]:
        """Boxes [K, 4] and scores [K] of one frame, [1, H, W, 3].

        Raises:
            Exception: what ``run`` raises.
        """
        request = _Request(frame)
        with self._changed:
            self.waiting.append(request)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: request.answered or not self._busy)
                if request.answered:
                    break
                self._busy, taken = True, self._take()
            self._answer(taken)
        if request.error is not None:
            raise request.error
        boxes, scores = request.found
        return boxes, scores

    def _take(self) -> list[_Request]:
        shape = self.waiting[0].frame.shape
        alike = [request for request in self.waiting if request.frame.shape == shape]
        taken = alike[: self._batch]
        self.waiting = [request for request in self.waiting if request not in taken]
        return taken

    def _answer(self, taken: list[_Request]) -> None:
        try:
            boxes, scores = self._run(np.concatenate([request.frame for request in taken]))
            for place, request in enumerate(taken):
                request.found = boxes[place], scores[place]
        except BaseException as error:  # whoever asked must hear of it
            for request in taken:
                request.error = error
        finally:
            with self._changed:
                for request in taken:
                    request.answered = True
                self._busy = False
                self._changed.notify_all()
