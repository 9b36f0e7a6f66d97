"""Person detectors: FP16 and INT8 variants, each proven against its parent."""

from __future__ import annotations

import dataclasses
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle import Variant, variant_file
from edgeattr.core.crops import Image, read_image
from edgeattr.core.detection_bundle import DetectionBundle, fit_frame, input_size
from edgeattr.core.errors import ContractNotMet, InputError, UsageError
from edgeattr.core.files import sha256_of
from edgeattr.video.detectors.bundle_detector import BundleDetector
from edgeattr_convert.contract import Contract
from edgeattr_convert.detection_accuracy import LEAST_SCORE, measure_detector
from edgeattr_runtimes.detection import DetectionRuntime, detection_difference
from edgeattr_runtimes.device import device_name
from edgeattr_runtimes.engines import available
from edgeattr_train.data.boxes import BoxDataset, is_box_spec, open_boxes

__all__ = ["calibration_frames", "convert_detector"]

Frames = npt.NDArray[np.uint8]
_PARENT = "onnx-fp32"
_COUNT = 64  # frames to calibrate on
_ENGINES = {"onnx": "onnxruntime", "openvino": "openvino", "tensorrt": "tensorrt"}
_IN_FLOAT = (  # names of nodes: the last convolutions of the head, and what decodes them
    r".*head\.\d+/(box|person|objectness)/Conv.*",
    r"^/[A-Z][A-Za-z]*(_\d+)?(/.*)?$",
)
_TURNS = 30  # of timing, parent and child in turns


def calibration_frames(source: str, bundle: DetectionBundle, count: int = _COUNT) -> list[Image]:
    """Frames at the detector's input size, evenly from a video, a folder or mot:DIR, coco:DIR.

    Raises:
        InputError: fewer than eight frames.
    """
    frames: list[Image] = []
    for image in _images(source, count):
        height, width = input_size(image.shape, bundle.input.side, bundle.input.stride)
        frame = np.empty((height, width, 3), np.uint8)
        fit_frame(image, frame)
        frames.append(frame)
    if len(frames) < 8:
        raise InputError(f"--calib {source}: {len(frames)} frames; a detector wants 8 or more")
    return frames


def _images(source: str, count: int) -> list[Image]:
    path = Path(source)
    if is_box_spec(source):
        data = open_boxes(source)
        step = max(data.frames // count, 1)
        return [frame.image for index, frame in enumerate(data.read()) if index % step == 0]
    if path.is_dir():
        files = sorted(entry for entry in path.rglob("*") if entry.is_file())
        return [read_image(file) for file in files[:: max(len(files) // count, 1)]]
    reader = cv2.VideoCapture(source)
    total = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    if total < 1:  # a raw stream and a GIF do not say
        total = sum(1 for _ in iter(reader.grab, False))
        reader = cv2.VideoCapture(source)
    found, index, step = [], 0, max(total // count, 1)
    while reader.grab():
        if index % step == 0:
            found.append(np.asarray(reader.retrieve()[1], np.uint8))
        index += 1
    return found


def convert_detector(
    bundle: DetectionBundle,
    target: Path,
    steps: Sequence[tuple[str, str]],
    frames: Sequence[Image],
    held: BoxDataset | None,
    contract: Contract,
    tell: Callable[[str], None] = lambda text: None,
) -> DetectionBundle:
    """Make variants, prove each, and write the bundle.

    Args:
        bundle: has the variant ``onnx-fp32``.
        target: ``NAME.edgeattr`` to write.
        steps: family (``onnx``, ``openvino``) and precision (``fp16``, ``int8``).
        frames: to calibrate INT8 on.
        held: frames with boxes, on which parent and child are compared; None: on the golden
            frames alone, as for FP16.
        contract: how much may be lost, and how much faster INT8 must be.
        tell: called with a line on every variant.

    Raises:
        ContractNotMet: a variant does not hold; nothing is written.
        UsageError: there is no such variant of detectors.
    """
    source = bundle.read_file(bundle.variant(_PARENT))
    files: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(prefix="edgeattr-") as folder:
        made = bundle
        for family, precision in steps:
            path = Path(folder) / f"{family}-{precision}"
            if (family, precision) not in _MAKERS:
                raise UsageError(f"{family}-{precision} of a detector is not made; make fp16")
            _MAKERS[family, precision](source, path, frames)
            variant = _proven(bundle, path, family, precision, frames, held, contract)
            tell(f"{variant.name}: {variant.verdict}")
            files[variant.file] = path
            made = made.with_variant(variant)
        return made.write(target, files)


def _proven(
    bundle: DetectionBundle,
    path: Path,
    family: str,
    precision: str,
    frames: Sequence[Image],
    held: BoxDataset | None,
    contract: Contract,
) -> Variant:
    """The variant with its figures.

    Raises:
        ContractNotMet: it loses more than the contract allows, or is too slow.
    """
    variant, name = _unproven(path, family, precision), f"{family}-{precision}"
    # where there is no GPU, ONNX Runtime stands in for TensorRT
    engine = _ENGINES[family] if _ENGINES[family] in available() else _ENGINES["onnx"]
    runtime = DetectionRuntime(variant, engine, path.read_bytes())
    parent_file = bundle.read_file(bundle.variant(_PARENT))
    parent = DetectionRuntime(bundle.variant(_PARENT), engine, parent_file)
    parity = detection_difference(bundle, runtime)
    speed = _speed(parent, runtime, bundle) if engine == _ENGINES[family] else {}
    told, failures, metrics = [f"off by {parity:.2g} on the golden frames"], [], {}
    if held is not None:
        before, after = (_figures(bundle, entry, held) for entry in (parent, runtime))
        for key in ("AP50", "recall"):
            drop = before[key] - after[key]
            told.append(f"{key} {after[key]:.2f} ({-drop:+.2f})")
            if drop > contract.max_drop:
                failures.append(
                    f"{key} falls by {drop:.2f} points of {contract.max_drop:g} allowed"
                )
        metrics = {"dataset": held.name, "images": held.frames, **after}
    limit = contract.speedup_of(name)
    if not speed:
        told.append(f"on {engine}, since {_ENGINES[family]} cannot run here")
    elif speed["speedup"] >= limit:
        told.append(f"{speed['speedup']:.2f} times as fast as {_PARENT}")
    else:
        failures.append(
            f"{speed['speedup']:.2f} times as fast as {_PARENT} on {speed['device']}; at least "
            f"{limit:g} is required (--min-speedup 0 asks for none)"
        )
    if failures:
        raise ContractNotMet(f"{name} of {bundle.name}: {'; '.join(failures)}; nothing was written")
    content = hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()
    return dataclasses.replace(
        variant,
        parity=parity,
        tolerance=round(2 * parity + 1e-3, 6),
        metrics=metrics,
        speed=speed,
        calibration={"images": len(frames), "digest": content} if precision == "int8" else {},
        verdict="; ".join(told),
    )


def _unproven(path: Path, family: str, precision: str) -> Variant:
    digest = sha256_of(path)
    suffix = ".zip" if family == "openvino" else ".onnx"
    return Variant(
        engine=family,
        precision=precision,
        file=variant_file(f"{family}-{precision}", digest, suffix),
        sha256=digest,
        parent=_PARENT,
        parity=0.0,
        tolerance=1.0,
    )


def _figures(
    bundle: DetectionBundle, runtime: DetectionRuntime, held: BoxDataset
) -> dict[str, Any]:
    detector = BundleDetector.of(bundle, runtime, min_score=LEAST_SCORE)
    return measure_detector(detector, held, bundle.decision.score).to_json()


def _speed(
    parent: DetectionRuntime, child: DetectionRuntime, bundle: DetectionBundle
) -> dict[str, Any]:
    """Frames of 16:9 one at a time, in turns."""
    height, width = input_size((9, 16), bundle.input.side, bundle.input.stride)
    frame = np.full((1, height, width, 3), 114, np.uint8)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(_TURNS + 3):
        for runtime, spent in zip((parent, child), times, strict=True):
            began = time.perf_counter()
            runtime.run(frame)
            if turn >= 3:
                spent.append(time.perf_counter() - began)
    before, after = (statistics.median(spent) for spent in times)
    return {
        "frames_per_second": round(1 / after, 1),
        "latency_ms": round(1000 * after, 2),
        "speedup": round(before / after, 3),
        "device": device_name(),
    }


def _onnx_fp16(source: bytes, target: Path, frames: Sequence[Image]) -> None:
    from edgeattr_convert.fp16 import fp16_from_onnx

    fp32 = target.with_suffix(".fp32.onnx")
    fp32.write_bytes(source)
    fp16_from_onnx(fp32, target)


def _tensorrt_fp16(source: bytes, target: Path, frames: Sequence[Image]) -> None:
    from edgeattr_convert.tensorrt_from_onnx import tensorrt_from_onnx

    half = target.with_suffix(".half.onnx")
    _onnx_fp16(source, half, frames)
    tensorrt_from_onnx(half, target, ("boxes", "scores"))


def _onnx_int8(source: bytes, target: Path, frames: Sequence[Image]) -> None:
    import onnx

    from edgeattr_convert.openvino_from_onnx import import_nncf, quiet_nncf

    nncf = import_nncf()
    model = _unpacked(onnx.load_from_string(source))
    with quiet_nncf():
        data = nncf.Dataset(frames, lambda frame: {"frames": frame[None]})
        made = nncf.quantize(model, data, subset_size=len(frames), **_options(nncf))
    onnx.save(made, str(target))


def _openvino_fp16(source: bytes, target: Path, frames: Sequence[Image]) -> None:
    import openvino

    from edgeattr_convert.openvino_from_onnx import write_network

    write_network(openvino.Core().read_model(source), target)


def _openvino_int8(source: bytes, target: Path, frames: Sequence[Image]) -> None:
    import openvino

    from edgeattr_convert.openvino_from_onnx import import_nncf, quiet_nncf, write_network

    nncf = import_nncf()
    model = openvino.Core().read_model(source)
    with quiet_nncf():
        data = nncf.Dataset(frames, lambda frame: frame[None])
        made = nncf.quantize(model, data, subset_size=len(frames), **_options(nncf))
    write_network(made, target)


def _options(nncf: Any) -> dict[str, Any]:
    """Weights per channel, symmetric; activations of SiLU, which are negative too, asymmetric."""
    return {
        "preset": nncf.QuantizationPreset.MIXED,
        "fast_bias_correction": True,
        "ignored_scope": nncf.IgnoredScope(patterns=list(_IN_FLOAT), validate=False),
    }


def _unpacked(model: Any) -> Any:
    """The model with its weights in single precision again."""
    from onnx import numpy_helper

    halves = {
        entry.name: entry for entry in model.graph.initializer if entry.name.endswith(".half")
    }
    for node in [node for node in model.graph.node if node.input and node.input[0] in halves]:
        half = halves[node.input[0]]
        array = numpy_helper.to_array(half).astype(np.float32)
        model.graph.initializer.remove(half)
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        model.graph.node.remove(node)
    return model


_MAKERS: dict[tuple[str, str], Callable[[bytes, Path, Sequence[Image]], None]] = {
    ("onnx", "fp16"): _onnx_fp16,
    ("onnx", "int8"): _onnx_int8,
    ("openvino", "fp16"): _openvino_fp16,
    ("openvino", "int8"): _openvino_int8,
    ("tensorrt", "fp16"): _tensorrt_fp16,
}
