"""Person detectors: FP16 and INT8 variants, each proven against its parent."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeattr.core.bundle_format import Variant, variant_file
from edgeattr.core.crops import Image, read_image
from edgeattr.core.detection_bundle import DetectionBundle, fit_frame, input_size
from edgeattr.core.errors import ContractNotMet, InputError, UsageError
from edgeattr.core.files import sha256_of
from edgeattr.core.progress import Tell, silent
from edgeattr.video.detectors.bundle_detector import BundleDetector
from edgeattr.video.sources.file import VideoFileSource
from edgeattr_convert.contract import Contract, judged
from edgeattr_convert.detection_accuracy import LEAST_SCORE, measure_detector
from edgeattr_convert.detection_int8 import int8_from_detector, unpack_weights
from edgeattr_convert.fp16 import fp16_from_onnx
from edgeattr_convert.openvino_from_onnx import openvino_from_onnx
from edgeattr_convert.speed import compare_speed
from edgeattr_convert.tensorrt_from_onnx import tensorrt_from_onnx
from edgeattr_convert.validation_result import Speed, ValidationResult
from edgeattr_runtimes.detection import DetectionRuntime, detection_difference
from edgeattr_runtimes.engines import ENGINE_OF, available, has_half_precision
from edgeattr_train.data.boxes import BoxDataset, is_box_spec, open_boxes

_PARENT = "onnx-fp32"
_COUNT = 64  # frames to calibrate on


def calibration_frames(source: str, bundle: DetectionBundle, count: int = _COUNT) -> list[Image]:
    """Frames at the detector's input size, evenly from a video, a folder or mot:DIR, coco:DIR.

    Raises:
        InputError: fewer than eight frames, or what cannot be read.
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
    if is_box_spec(source):
        data = open_boxes(source)
        step = max(data.frames // count, 1)
        return [frame.image for index, frame in enumerate(data.read()) if index % step == 0]
    if Path(source).is_dir():
        files = sorted(entry for entry in Path(source).rglob("*") if entry.is_file())
        return [read_image(file) for file in files[:: max(len(files) // count, 1)]]
    with VideoFileSource(source) as video:
        total = video.announced_frames
        if total is None:  # a raw stream and a GIF do not say
            total = sum(1 for _ in video.frames())
    with VideoFileSource(source) as video:
        step = max(total // count, 1)
        return [frame.image for frame in video.frames() if frame.index % step == 0]


def detector_steps(families: Sequence[str], precisions: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of family and precision to make; without families, those of engines that are here.

    Raises:
        UsageError: a precision that detectors do not have.
    """
    here = ["onnx", "openvino"] if "openvino" in available() else ["onnx"]
    pairs = [(family, name) for name in precisions for family in families or here]
    unknown = [pair for pair in pairs if pair not in _WAYS]
    if unknown:
        names = ", ".join("-".join(pair) for pair in unknown)
        known = ", ".join("-".join(pair) for pair in _WAYS)
        raise UsageError(f"{names} of a detector is not made; there are: {known}")
    return pairs


def convert_detector(
    bundle: DetectionBundle,
    target: Path,
    steps: Sequence[tuple[str, str]],
    frames: Sequence[Image],
    held: BoxDataset | None,
    contract: Contract,
    tell: Tell = silent,
) -> DetectionBundle:
    """Make variants, prove each, and write the bundle.

    Args:
        bundle: has the variant ``onnx-fp32``.
        target: ``NAME.edgeattr`` to write.
        steps: of :func:`detector_steps`.
        frames: to calibrate INT8 on.
        held: frames with boxes, on which parent and child are compared; None: on the golden
            frames alone, as for FP16.
        contract: how much may be lost, and how much faster INT8 must be.
        tell: called with a line on every variant.

    Raises:
        ContractNotMet: a variant does not hold; nothing is written.
    """
    files: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(prefix="edgeattr-") as folder:
        packed, source = Path(folder) / "packed.onnx", Path(folder) / "source.onnx"
        packed.write_bytes(bundle.read_file(bundle.variant(_PARENT)))
        unpack_weights(packed, source)
        made = bundle
        for family, precision in steps:
            way = _WAYS[family, precision]
            path = Path(folder) / f"{way.name}{way.suffix}"
            if not path.exists():  # engines may share a file
                way.make(source, path, frames)
            variant = _proven(bundle, path, family, precision, held, contract)
            if precision == "int8":
                content = hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()
                facts = {"images": len(frames), "digest": content}
                variant = dataclasses.replace(variant, calibration=facts)
            tell(f"{variant.name}: {variant.verdict}")
            files[variant.file] = path
            made = made.with_variant(variant)
        return made.write(target, files)


def _proven(
    bundle: DetectionBundle,
    path: Path,
    family: str,
    precision: str,
    held: BoxDataset | None,
    contract: Contract,
) -> Variant:
    """The variant with its figures.

    Raises:
        ContractNotMet: it loses more than the contract allows, or is too slow.
    """
    digest, name, way = sha256_of(path), f"{family}-{precision}", _WAYS[family, precision]
    variant = Variant(
        engine=family,
        precision=precision,
        file=variant_file(way.name, digest, way.suffix),
        sha256=digest,
        parent=_PARENT,
        parity=0.0,
        tolerance=1.0,
    )
    own = ENGINE_OF[family]
    # where there is no GPU, ONNX Runtime stands in for TensorRT
    engine = ENGINE_OF["onnx"] if own == "tensorrt" and own not in available() else own
    result = _result(bundle, variant, path.read_bytes(), engine, held, contract)
    if not result.met:
        told = "; ".join((result.verdict, *result.advice))
        raise ContractNotMet(f"{name} of {bundle.name}: {told}; nothing was written")
    elsewhere = "" if engine == own else f"; on {engine}, since {own} cannot run here"
    return dataclasses.replace(
        variant,
        parity=result.parity,
        tolerance=result.tolerance,
        metrics=result.after,
        speed=_speed_json(result.speed) if result.speed else {},
        verdict=result.verdict + elsewhere,
    )


def _result(
    bundle: DetectionBundle,
    variant: Variant,
    content: bytes,
    engine: str,
    held: BoxDataset | None,
    contract: Contract,
) -> ValidationResult:
    """What a variant of this content loses and gains beside its parent on an engine."""
    before = bundle.read_file(bundle.variant(_PARENT))
    parent = DetectionRuntime(bundle.variant(_PARENT), engine, before)
    runtime = DetectionRuntime(variant, engine, content)
    parity = detection_difference(bundle, runtime)
    result = ValidationResult(
        variant=variant.name,
        parent=_PARENT,
        bytes=len(content),
        parent_bytes=len(before),
        outputs="scores and boxes",
        parity=parity,
        tolerance=round(2 * parity + 1e-3, 6),
        before=_figures(bundle, parent, held),
        after=_figures(bundle, runtime, held),
    )
    if engine == ENGINE_OF[variant.engine]:
        height, width = input_size((9, 16), bundle.input.side, bundle.input.stride)
        frame = np.full((1, height, width, 3), 114, np.uint8)
        limit = contract.speedup_of(variant.name)
        speed = compare_speed(parent.run, runtime.run, frame, limit=limit)
        result = dataclasses.replace(result, speed=speed)
    result = judged(result, contract)
    if result.met and variant.precision == "int8" and has_half_precision(engine):
        return _without_half(bundle, variant, content, result, held, contract)
    return result


def _without_half(
    bundle: DetectionBundle,
    variant: Variant,
    content: bytes,
    result: ValidationResult,
    held: BoxDataset | None,
    contract: Contract,
) -> ValidationResult:
    """The result of INT8; that in float32 if the contract does not hold there."""
    runtime = DetectionRuntime(variant, ENGINE_OF[variant.engine], content, half=False)
    parity = max(result.parity, detection_difference(bundle, runtime))
    tolerance = round(2 * parity + 1e-3, 6)
    whole = dataclasses.replace(
        result, parity=parity, tolerance=tolerance, after=_figures(bundle, runtime, held)
    )
    runtime.close()
    whole = judged(whole, contract)
    if not whole.met:
        return whole
    return judged(dataclasses.replace(whole, after=result.after), contract)


def _figures(
    bundle: DetectionBundle, runtime: DetectionRuntime, held: BoxDataset | None
) -> dict[str, Any]:
    if held is None:
        return {}
    detector = BundleDetector(bundle, runtime, min_score=LEAST_SCORE)
    figures = measure_detector(detector, held, bundle.decision.score).to_json()
    return {"dataset": held.name, "images": held.frames, **figures}


def _speed_json(speed: Speed) -> dict[str, Any]:
    return {
        "frames_per_second": round(speed.crops_per_second, 1),
        "latency_ms": round(speed.latency_ms, 2),
        **{key: round(getattr(speed, key), 3) for key in ("speedup", "low", "high")},
        "device": speed.device,
    }


def _onnx_fp16(source: Path, target: Path, frames: Sequence[Image]) -> None:
    fp16_from_onnx(source, target)


def _tensorrt_fp16(source: Path, target: Path, frames: Sequence[Image]) -> None:
    half = target.with_suffix(".half.onnx")
    fp16_from_onnx(source, half)
    tensorrt_from_onnx(half, target, ("boxes", "scores"))


def _openvino_fp16(source: Path, target: Path, frames: Sequence[Image]) -> None:
    openvino_from_onnx(source, target)


def _int8(source: Path, target: Path, frames: Sequence[Image]) -> None:
    int8_from_detector(source, target, frames, symmetric=False)


def _tensorrt_int8(source: Path, target: Path, frames: Sequence[Image]) -> None:
    rounded = target.with_suffix(".int8.onnx")
    int8_from_detector(source, rounded, frames, symmetric=True)
    tensorrt_from_onnx(rounded, target, ("boxes", "scores"))


class _Way(NamedTuple):
    """How a file is made, and its name in the bundle; engines of one way share the file."""

    make: Callable[[Path, Path, Sequence[Image]], None]
    name: str
    suffix: str = ".onnx"


_INT8 = _Way(_int8, "int8")
_WAYS: dict[tuple[str, str], _Way] = {
    ("onnx", "fp16"): _Way(_onnx_fp16, "onnx-fp16"),
    ("openvino", "fp16"): _Way(_openvino_fp16, "openvino-fp16", ".zip"),
    ("tensorrt", "fp16"): _Way(_tensorrt_fp16, "tensorrt-fp16"),
    ("onnx", "int8"): _INT8,
    ("openvino", "int8"): _INT8,  # OpenVINO reads Q/DQ, and computes what it says
    ("tensorrt", "int8"): _Way(_tensorrt_int8, "tensorrt-int8"),
}
