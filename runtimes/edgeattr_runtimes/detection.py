"""A person detector's variant on an engine: frames of any shape in, boxes and scores out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle_format import Variant
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.errors import BundleError, UsageError
from edgeattr_runtimes.load import first_that_serves, open_session, warn_of_others
from edgeattr_runtimes.protocol import EngineOptions
from edgeattr_runtimes.select import candidates
from edgeattr_runtimes.session import Session, ShapedSessions

Frames = npt.NDArray[np.uint8]
Found = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
_GPU_BATCH = 8  # frames
_ENGINES = ("tensorrt", "openvino", "onnxruntime")


class DetectionRuntime:
    """Runs one variant; any number of threads may call :meth:`run`.

    Args:
        variant: of a detection bundle.
        engine: ``onnxruntime``, ``openvino`` or ``tensorrt``.
        content: the variant's file.
        threads: that one call may use; all cores if None.
        half: see :attr:`edgeattr_runtimes.EngineOptions.half`.
        batch: frames a run, at most, of a call with several.
    """

    def __init__(
        self,
        variant: Variant,
        engine: str,
        content: bytes,
        threads: int | None = None,
        half: bool | None = None,
        batch: int = 1,
    ) -> None:
        self.variant, self.engine, self.batch = variant, engine, batch
        whole = open_session(
            engine, content, threads=threads, precision=variant.precision, half=half,
            kept=variant.sha256 if variant.verdict else "",
        )  # fmt: skip
        _check_ports(variant, whole)
        self._sessions = ShapedSessions(whole, ("boxes", "scores"))

    def run(self, frames: Frames) -> Found:
        """Boxes [N, K, 4] (left, top, right, bottom, pixels) and scores [N, K].

        Args:
            frames: uint8 [N, H, W, 3], BGR, H and W multiples of the bundle's stride.

        Raises:
            RuntimeFailure: the engine failed.
        """
        rows = 1 if len(frames) == 1 else self.batch
        session = self._sessions.of({"frames": (rows, *frames.shape[1:])})
        boxes, scores = session.run({"frames": frames})
        return boxes, scores

    def close(self) -> None:
        """Release the networks; calls that run come to their end."""
        self._sessions.close()


def _check_ports(variant: Variant, whole: Session) -> None:
    """Refuse a file of other inputs and outputs than a detector's, or of fixed sides.

    Raises:
        BundleError: with what it has.
    """
    taken = [(port.name, port.dtype, port.shape) for port in whole.inputs]
    given = {name for port in whole.outputs for name in port.names}
    if taken != [("frames", "uint8", (None, None, None, 3))] or not given >= {"boxes", "scores"}:
        found = "; ".join(map(str, (*whole.inputs, *whole.outputs)))
        whole.close()
        raise BundleError(
            f"{variant.file} is no person detector: expected frames uint8 [?, ?, ?, 3], boxes and "
            f"scores, got {found}. Export or convert the bundle again"
        )


def open_detection(
    bundle: DetectionBundle,
    runtime: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    batch: int | None = None,
) -> DetectionRuntime:
    """Open a detector on the best engine that answers as the reference does.

    TensorRT takes a detector's ONNX variants too, and builds an engine for each shape of frames.

    Args:
        bundle: the detector.
        runtime: ``auto``, ``onnxruntime``, ``openvino`` or ``tensorrt``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        threads: that one call may use; all cores if None.
        batch: frames a run, at most; 8 on GPUs and 1 on processors if None.

    Raises:
        UsageError, RuntimeFailure, BundleError: no such engine or variant, it cannot run here, or
            its answers on the golden frames differ from the reference.
    """
    if runtime not in ("auto", *_ENGINES):
        raise UsageError(
            f"no runtime {runtime!r} for detectors; there are: auto, {', '.join(_ENGINES)}"
        )
    choices = candidates(bundle, runtime, precision, EngineOptions(threads=threads))
    choice, opened = first_that_serves(
        bundle,
        (choice for choice in choices if choice.options.device is None),
        lambda choice: DetectionRuntime(
            choice.variant,
            choice.engine,
            bundle.read_file(choice.variant),
            threads,
            choice.options.half,
            batch or (_GPU_BATCH if choice.engine == "tensorrt" else 1),
        ),
        lambda choice, opened: check_detection(bundle, choice.variant, opened),
    )
    warn_of_others(choice)
    return opened


def check_detection(bundle: DetectionBundle, variant: Variant, runtime: DetectionRuntime) -> float:
    """Compare scores, and boxes of likely people, on the golden frames with the reference.

    Returns:
        The largest difference: of a score, or of a box's edge in shares of the box's size.

    Raises:
        BundleError: it is larger than the variant's tolerance.
    """
    worst = detection_difference(bundle, runtime)
    if not worst <= variant.tolerance:  # NaN is refused too
        raise BundleError(
            f"{variant.name} of {bundle.name} answers wrongly on this device: its scores and boxes "
            f"on the golden frames are off by {worst:.3g}, at most {variant.tolerance:.3g} is "
            f"allowed ({runtime.engine}). Use another --precision, or convert again on this device"
        )
    return worst


def detection_difference(bundle: DetectionBundle, runtime: DetectionRuntime) -> float:
    """As :func:`check_detection`, without the comparison with the tolerance."""
    golden = bundle.golden
    boxes, scores = runtime.run(golden.frames)
    if boxes.shape != golden.boxes.shape or scores.shape != golden.scores.shape:
        raise BundleError(
            f"{bundle.name}: expected boxes {golden.boxes.shape} and scores {golden.scores.shape}, "
            f"got {boxes.shape} and {scores.shape}"
        )
    sure = golden.scores >= bundle.decision.candidate
    size = np.maximum(golden.boxes[..., 2:] - golden.boxes[..., :2], 1.0)
    off = np.abs(boxes - golden.boxes) / np.concatenate((size, size), -1)
    return float(max(np.abs(scores - golden.scores).max(), off[sure].max(initial=0.0)))
