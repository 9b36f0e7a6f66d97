"""The detector of a bundle: a frame's shape chooses the input's, so that little is border."""

from __future__ import annotations

import numpy as np

from edgeattr.core.closeable import Closeable
from edgeattr.core.crops import Image
from edgeattr.core.detection_bundle import DetectionBundle, fit_frame, input_size
from edgeattr.core.errors import RuntimeFailure, UsageError
from edgeattr.video.detectors.frame_batcher import FrameBatcher
from edgeattr.video.detectors.nms import suppress
from edgeattr.video.detectors.protocol import Detections
from edgeattr_runtimes.detection import DetectionRuntime, open_detection

__all__ = ["BundleDetector"]


class BundleDetector(Closeable):
    """A person detector from a bundle; threads may share it.

    Args:
        bundle: the detector.
        runtime: see :func:`edgeattr_runtimes.detection.open_detection`.
        precision: the same.
        threads: that one call may use; all cores if None.
        size: pixels of the input's longer side, or its height and width; the bundle's longer side
            if None. A larger one finds smaller people and takes longer.
        min_score: boxes of at least this score are returned; the bundle's candidates if None.
        batch: frames of several threads that run together; 8 on GPUs and 1 on processors if None.

    Raises:
        UsageError, RuntimeFailure, BundleError: as ``open_detection``.
    """

    in_order = False

    def __init__(
        self,
        bundle: DetectionBundle,
        runtime: str = "auto",
        precision: str = "auto",
        *,
        threads: int | None = None,
        size: int | tuple[int, int] | None = None,
        min_score: float | None = None,
        batch: int | None = None,
    ) -> None:
        opened = open_detection(bundle, runtime, precision, threads, batch)
        self._take(bundle, opened, size, min_score)

    @classmethod
    def of(
        cls,
        bundle: DetectionBundle,
        runtime: DetectionRuntime,
        *,
        size: int | tuple[int, int] | None = None,
        min_score: float | None = None,
    ) -> BundleDetector:
        """A detector that runs what is open already."""
        detector = cls.__new__(cls)
        detector._take(bundle, runtime, size, min_score)
        return detector

    def _take(
        self,
        bundle: DetectionBundle,
        runtime: DetectionRuntime,
        size: int | tuple[int, int] | None,
        min_score: float | None,
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

    def for_stream(self) -> BundleDetector:
        """Itself."""
        return self

    def close(self) -> None:
        """Release the networks; calls that run come to their end. May be called twice."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()
