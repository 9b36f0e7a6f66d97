"""A person detector's variant on an engine: frames of any shape in, boxes and scores out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Bundle, Variant
from edgeattr.core.detection_bundle import DetectionBundle
from edgeattr.core.errors import BundleError, EdgeAttrError, RuntimeFailure, UsageError
from edgeattr_runtimes.device import available_cores
from edgeattr_runtimes.select import choose

__all__ = ["DetectionRuntime", "check_detection", "open_detection"]

Frames = npt.NDArray[np.uint8]
Found = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
_Network = Callable[[Frames], list[npt.NDArray[Any]]]
_OUTPUTS = ["boxes", "scores"]


class DetectionRuntime:
    """Runs one variant; any number of threads may call :meth:`run`.

    A network is compiled for every shape of frames, once, which is faster than one of free shape.

    Args:
        variant: of a detection bundle.
        engine: ``onnxruntime`` or ``openvino``.
        content: the variant's file.
        threads: that one call may use; all cores if None.
    """

    def __init__(
        self, variant: Variant, engine: str, content: bytes, threads: int | None = None
    ) -> None:
        self.variant, self.engine = variant, engine
        self._content, self._threads = content, threads or available_cores()
        self._networks: dict[tuple[int, ...], _Network] = {}
        self._lock = threading.Lock()

    def run(self, frames: Frames) -> Found:
        """Boxes [N, K, 4] (left, top, right, bottom, pixels) and scores [N, K].

        Args:
            frames: uint8 [N, H, W, 3], BGR, H and W multiples of the bundle's stride.

        Raises:
            RuntimeFailure: the engine failed.
        """
        boxes, scores = self._network(frames.shape)(frames)
        return boxes, scores

    def close(self) -> None:
        """Release the networks; calls that run come to their end."""
        with self._lock:
            self._networks.clear()

    def _network(self, shape: tuple[int, ...]) -> _Network:
        with self._lock:
            if shape not in self._networks:
                self._networks[shape] = _OPENERS[self.engine](self._content, shape, self._threads)
            return self._networks[shape]


def open_detection(
    bundle: DetectionBundle,
    runtime: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> DetectionRuntime:
    """Open a detector on the best engine that answers as the reference does.

    Args:
        bundle: the detector.
        runtime: ``auto``, ``onnxruntime`` or ``openvino``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        threads: that one call may use; all cores if None.

    Raises:
        UsageError, RuntimeFailure, BundleError: no such engine or variant, it cannot run here, or
            its answers on the golden frames differ from the reference.
    """
    if runtime not in ("auto", *_OPENERS):
        raise UsageError(
            f"no runtime {runtime!r} for detectors; there are: auto, {', '.join(_OPENERS)}"
        )
    engine, variant = choose(cast("Bundle", bundle), runtime, precision)
    if engine not in _OPENERS:
        engine, variant = choose(cast("Bundle", bundle), "onnxruntime", precision)
    opened = DetectionRuntime(variant, engine, bundle.read_file(variant), threads)
    try:
        check_detection(bundle, variant, opened)
    except EdgeAttrError:
        opened.close()
        raise
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


def _onnx_network(content: bytes, shape: tuple[int, ...], threads: int) -> _Network:
    from edgeattr_runtimes.onnx_engine import open_session

    sides = dict(zip(("batch", "height", "width"), shape, strict=False))
    session = open_session(content, threads, free_sides=sides)

    def run(frames: Frames) -> list[npt.NDArray[Any]]:
        try:
            found: list[npt.NDArray[Any]] = session.run(_OUTPUTS, {"frames": frames})
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise RuntimeFailure(f"ONNX Runtime failed: {error}") from error
        return found

    return run


def _openvino_network(content: bytes, shape: tuple[int, ...], threads: int) -> _Network:
    from edgeattr_runtimes.network import Spares
    from edgeattr_runtimes.openvino_engine import _openvino, read_network

    openvino = _openvino()
    streams = max(1, available_cores() // threads)
    options = {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads * streams,
        "ENABLE_CPU_PINNING": False,  # threads may leave a core where frames are being decoded
        "INFERENCE_PRECISION_HINT": "f32",
    }
    try:
        model = read_network(content, attention=True)
        model.reshape(list(shape))
        compiled = openvino.Core().compile_model(model, "CPU", options)
    except RuntimeError as error:
        raise RuntimeFailure(f"OpenVINO cannot compile the detector: {error}") from error
    requests = Spares(compiled.create_infer_request)

    def run(frames: Frames) -> list[npt.NDArray[Any]]:
        with requests.slot() as request:
            try:
                request.infer({"frames": frames}, share_inputs=True)
                return [request.get_tensor(name).data.copy() for name in _OUTPUTS]
            except RuntimeError as error:
                raise RuntimeFailure(f"OpenVINO failed: {error}") from error

    return run


_OPENERS: dict[str, Callable[[bytes, tuple[int, ...], int], _Network]] = {
    "onnxruntime": _onnx_network,
    "openvino": _openvino_network,
}
