"""A detection bundle from a trained network: its first variant, ``onnx-fp32``."""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle_format import Variant, variant_file
from edgeattr.core.detection_bundle import (
    PERSON_SCORE,
    DetectionBundle,
    DetectionDecision,
    DetectionGolden,
    DetectionInput,
)
from edgeattr.core.errors import ContractNotMet
from edgeattr.core.files import sha256_of
from edgeattr_train.golden import golden_crops

if TYPE_CHECKING:
    import onnx
    from torch import Tensor, nn

    from edgeattr_train.detection.network import PersonDetector

_OPSET = 18
_LEVELS = 127  # to each side, of a weight
_TOLERANCE = 1e-3  # largest difference between PyTorch and ONNX Runtime on the golden frames


def golden_frames(height: int = 128, width: int = 192, count: int = 2) -> npt.NDArray[np.uint8]:
    """Drawn figures of several sizes on soft backgrounds, uint8 [count, height, width, 3]."""
    rng = np.random.default_rng(11)
    figures = golden_crops(192, 96)
    frames = []
    for _ in range(count):
        coarse = rng.integers(40, 216, (5, 8, 3), dtype=np.uint8)
        frame = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        for figure in figures:
            tall = int(rng.integers(40, 116))
            small = cv2.resize(figure, (tall // 2, tall), interpolation=cv2.INTER_AREA)
            top, left = int(rng.integers(height - tall)), int(rng.integers(width - tall // 2))
            frame[top : top + tall, left : left + tall // 2] = small
        frames.append(np.asarray(cv2.GaussianBlur(frame, (0, 0), 0.8), np.uint8))
    return np.stack(frames)


def odds_of(threshold: float) -> float:
    """What a score's odds are divided by so that ``threshold`` becomes :data:`PERSON_SCORE`."""
    return threshold / (1 - threshold) * (1 - PERSON_SCORE) / PERSON_SCORE


def exported(network: PersonDetector, threshold: float) -> nn.Module:
    """The network as it is exported: frames [N, H, W, 3] -> boxes [N, K, 4], scores [N, K]."""
    import torch
    from torch import nn

    from edgeattr_train.detection.network import decode_rows

    folded = network.folded()
    for parameter in folded.parameters():
        if parameter.ndim == 4:
            levels, step = _levels(parameter.data.numpy())
            parameter.data = torch.from_numpy(levels * step)  # as the file stores them
    odds = odds_of(threshold)

    class Exported(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = folded

        def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
            levels = self.network(frames.float().permute(0, 3, 1, 2))  # TensorRT casts bytes first
            centres, sizes, objectness, person = decode_rows(levels)
            score = objectness.sigmoid() * person.sigmoid()
            corners = torch.cat((centres - sizes / 2, centres + sizes / 2), 1)
            return corners.transpose(1, 2), score / (score + odds * (1 - score))

    return Exported().eval()


def onnx_from_detector(module: nn.Module, target: Path) -> None:
    """Write the module of :func:`exported`, with free batch, height and width.

    Weights are stored as eight bits times a number for each output channel and multiplied when the
    file is loaded: a quarter of the bytes, and arithmetic in float32.
    """
    import onnx
    import torch

    from edgeattr_train.onnx_from_torch import _tidy

    axes = {"frames": {0: "batch", 1: "height", 2: "width"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            module,
            (torch.zeros((1, 256, 416, 3), dtype=torch.uint8),),
            str(target),
            input_names=["frames"],
            output_names=["boxes", "scores"],
            dynamic_axes={
                **axes,
                "boxes": {0: "batch", 1: "cells"},
                "scores": {0: "batch", 1: "cells"},
            },
            opset_version=_OPSET,
            dynamo=False,
        )
    proto = onnx.load(target)
    _tidy(proto)
    _store_bytes(proto)
    onnx.checker.check_model(proto)
    onnx.save(proto, target)


def _levels(
    weight: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Of a weight [N, ...], and their step [N, 1, 1, 1]; the product is the weight, rounded."""
    most = np.abs(weight).max(axis=(1, 2, 3), keepdims=True)
    step = np.where(most > 0, most, 1).astype(np.float32) / np.float32(_LEVELS)
    return np.round(weight / step).astype(np.int8), step


def _store_bytes(proto: onnx.ModelProto) -> None:
    from onnx import TensorProto, helper, numpy_helper

    for initializer in list(proto.graph.initializer):
        weight = numpy_helper.to_array(initializer)
        if weight.dtype != np.float32 or weight.ndim != 4:
            continue
        name, whole = initializer.name, f"{initializer.name}.whole"
        levels, step = _levels(weight)
        stored = [
            numpy_helper.from_array(levels, f"{name}.levels"),
            numpy_helper.from_array(step, f"{name}.step"),
        ]
        proto.graph.initializer.remove(initializer)
        proto.graph.initializer.extend(stored)
        cast = helper.make_node("Cast", [stored[0].name], [whole], whole, to=TensorProto.FLOAT)
        product = helper.make_node("Mul", [whole, stored[1].name], [name], f"{name}.product")
        proto.graph.node.insert(0, product)
        proto.graph.node.insert(0, cast)


def detection_bundle(
    network: PersonDetector,
    directory: Path,
    *,
    name: str,
    threshold: float,
    candidate: float,
    overlap: float,
    side: int,
    training: Mapping[str, Any],
) -> DetectionBundle:
    """Export a trained detector into a new bundle.

    Args:
        network: trained.
        directory: ``NAME.edgeattr``.
        name: the bundle's.
        threshold: the network's own score from which a box is a person; becomes 0.45.
        candidate: the network's own score from which a box may continue a track.
        overlap: of two boxes of one person.
        side: pixels of the input's longer side.
        training: facts.

    Raises:
        ContractNotMet: the export answers otherwise than the network; nothing is written.
    """
    odds = odds_of(threshold)
    module = exported(network, threshold)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fp32.onnx"
        onnx_from_detector(module, file)
        variant = _variant(file)
        bundle = DetectionBundle(
            name=name,
            input=DetectionInput(side=side),
            decision=DetectionDecision(
                score=PERSON_SCORE,
                candidate=round(candidate / (candidate + odds * (1 - candidate)), 4),
                overlap=overlap,
            ),
            golden=_golden(module),
            training=dict(training),
            variants={variant.name: variant},
        )
        proven = bundle.with_variant(_proven(bundle, variant, file))
        return proven.write(directory, {variant.file: file})


def _variant(file: Path) -> Variant:
    """The float32 variant, not proven yet."""
    digest = sha256_of(file)
    return Variant(
        engine="onnx",
        precision="fp32",
        file=variant_file("onnx-fp32", digest),
        sha256=digest,
        parent="torch",
        parity=0.0,
        tolerance=10 * _TOLERANCE,
        verdict="parity",
    )


def _golden(module: nn.Module) -> DetectionGolden:
    """PyTorch's answers on the golden frames."""
    import torch

    frames = golden_frames()
    with torch.no_grad():
        boxes, scores = (t.numpy() for t in module(torch.from_numpy(frames)))
    return DetectionGolden(frames, boxes, scores)


def _proven(bundle: DetectionBundle, variant: Variant, file: Path) -> Variant:
    """The variant with its parity against PyTorch.

    Raises:
        ContractNotMet: its answers differ by more than is allowed.
    """
    from edgeattr_runtimes.detection import DetectionRuntime, detection_difference

    runtime = DetectionRuntime(variant, "onnxruntime", file.read_bytes(), 1)
    worst = detection_difference(bundle, runtime)
    if not worst <= _TOLERANCE:
        raise ContractNotMet(
            f"the exported detector differs from PyTorch's by {worst:.2g}, more than "
            f"{_TOLERANCE:g}; nothing was written"
        )
    return dataclasses.replace(variant, parity=worst)
