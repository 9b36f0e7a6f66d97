"""The portable person detector: a bundle whose ``task`` is ``person-detection``.

    bundle.json    input, decision, training facts, variants
    golden-*.npz   frames uint8 [n, H, W, 3] with the reference's boxes [n, K, 4] and scores [n, K]
    model-*        one file per variant

A variant takes ``frames``, uint8 [N, H, W, 3] BGR with H and W multiples of ``stride``, and returns
``boxes`` [N, K, 4] (left, top, right, bottom in pixels of the input) and ``scores`` [N, K].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.bundle_files import BundleFiles, GoldenArrays, check_input
from edgeattr.core.bundle_format import BundleFormat
from edgeattr.core.crops import Image
from edgeattr.core.errors import BundleError

PERSON_SCORE = 0.45  # every detector's score from which the tracker believes in a person
FIT_RULE = "fit; halved by INTER_AREA while it shrinks to less than half, INTER_LINEAR; grey border"
FORMAT = BundleFormat(1, 1)  # the first whose bundles have a task
_SUPPORTED = {"layout": "NHWC", "dtype": "uint8", "colour": "BGR", "resize": FIT_RULE}
GREY = 114  # of the border to the right and below, as in YOLOX's training


@dataclass(frozen=True, kw_only=True)
class DetectionInput:
    """What the detector takes: frames, shrunk in proportion."""

    side: int  # pixels of the longer side
    stride: int = 32  # both sides are filled up to a multiple of this
    layout: str = "NHWC"
    dtype: str = "uint8"
    colour: str = "BGR"
    resize: str = FIT_RULE


@dataclass(frozen=True, kw_only=True)
class DetectionDecision:
    """What turns scores into people."""

    score: float  # 0..1: a box of at least this score is a person
    candidate: float  # 0..1: from here on a box may continue a track
    overlap: float  # intersection over union beyond which two boxes are one person


@dataclass(frozen=True, eq=False)
class DetectionGolden(GoldenArrays):
    """Reference frames and answers."""

    frames: npt.NDArray[np.uint8]  # [n, H, W, 3], BGR
    boxes: npt.NDArray[np.float32]  # [n, K, 4], pixels
    scores: npt.NDArray[np.float32]  # [n, K]


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectionBundle(BundleFiles):
    """A person detector with everything needed to run it."""

    task = "person-detection"
    own_sections = frozenset({"input", "decision"})

    input: DetectionInput
    decision: DetectionDecision
    golden: DetectionGolden
    format: BundleFormat = FORMAT

    def sections(self) -> dict[str, Any]:
        """What ``bundle.json`` has of this task's own."""
        return {
            "task": self.task,
            "input": dataclasses.asdict(self.input),
            "decision": dataclasses.asdict(self.decision),
        }

    @classmethod
    def _own_fields(
        cls, index: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> dict[str, Any]:
        return {
            "golden": DetectionGolden(arrays["frames"], arrays["boxes"], arrays["scores"]),
            "input": DetectionInput(**index["input"]),
            "decision": DetectionDecision(**index["decision"]),
        }

    def _check_sections(self, where: str) -> None:
        for field_name, value in dataclasses.asdict(self.decision).items():
            if not 0 <= value <= 1:  # NaN is refused too
                raise BundleError(f"{where} has decision.{field_name} {value}; expected 0..1")
        check_input(where, self.input, _SUPPORTED)
        side, stride = self.input.side, self.input.stride
        if stride < 1 or side < stride or side % stride:
            raise BundleError(
                f"{where} has input.side {side}, no multiple of input.stride {stride}"
            )
        golden = self.golden
        count, height, width = golden.frames.shape[:3]
        cells = golden.scores.shape[-1]
        if (
            not count
            or height % stride
            or width % stride
            or golden.boxes.shape != (count, cells, 4)
            or golden.scores.shape != (count, cells)
        ):
            raise BundleError(
                f"{where}: golden frames {golden.frames.shape}, boxes {golden.boxes.shape} and "
                f"scores {golden.scores.shape} do not fit each other"
            )


def input_size(frame: tuple[int, ...], side: int, stride: int) -> tuple[int, int]:
    """Height and width of the input for a frame of this shape, multiples of ``stride``."""
    scale = side / max(frame[:2])
    height, width = (-(-max(round(edge * scale), 1) // stride) * stride for edge in frame[:2])
    return height, width


def fit_frame(frame: Image, target: Image) -> float:
    """Shrink or enlarge a frame in proportion into the left-top of ``target``; the rest is grey.

    Args:
        frame: uint8 [h, w, 3].
        target: uint8 [H, W, 3], written to.

    Returns:
        The scale: pixels of the target for one of the frame.
    """
    scale = min(target.shape[0] / frame.shape[0], target.shape[1] / frame.shape[1])
    height, width = (max(round(edge * scale), 1) for edge in frame.shape[:2])
    while frame.shape[0] >= 2 * height and frame.shape[1] >= 2 * width:
        half = frame.shape[1] // 2, frame.shape[0] // 2  # INTER_AREA is fast for no other size
        frame = np.asarray(cv2.resize(frame, half, interpolation=cv2.INTER_AREA), np.uint8)
    cv2.resize(frame, (width, height), dst=target[:height, :width], interpolation=cv2.INTER_LINEAR)
    target[height:] = GREY
    target[:height, width:] = GREY
    return float(scale)
