"""How far the model can be trusted on spoilt crops, beside the quality that a schedule sees.

    python benchmarks/crop_quality.py --data peta:../shared/peta

Validation images of 150 pixels and more are made small, blurred, cut off by the border or covered
by another person. Trust is the factor by which the calibrated log-odds' distance from the base rate
has to be shrunk for the labels to be likeliest, beside the same for the images as they are: what
fusion weighs a crop by. The shapes in edgeattr/video/crop_quality.py follow this table. FP32 on
ONNX Runtime. Needs the extra train.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

import edgeattr
from edgeattr.core.crops import Image
from edgeattr.video.crop_quality import CropAssessment, assess_crop, crop_of
from edgeattr.video.tracker import TrackedBox
from edgeattr_train.data.datasets import open_dataset

_IMAGES = 450
_HEIGHT = 150  # pixels, at least
_BATCH = 64
_PAD = 0.5  # of the person's sides, around it
_SHRINKS = np.arange(0.05, 1.55, 0.05)

Scene = tuple[Image, TrackedBox, list[TrackedBox]]
"""A frame, the person in it, and the others."""


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="peta:DIR")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()
    data = open_dataset(options.data, "val")
    tall = [index for index in range(len(data)) if data.read(index).shape[0] >= _HEIGHT]
    chosen = np.sort(np.random.default_rng(0).choice(tall, min(_IMAGES, len(tall)), replace=False))
    images = [data.read(int(index)) for index in chosen]
    share = np.clip(data.labels.mean(0), 1e-3, 1 - 1e-3)
    prior, labels = np.log(share / (1 - share)), data.labels[chosen]
    print("| images | wrong, % | trust | quality: 10 %, middle, 90 % |\n|---|---|---|---|")
    whole = None
    with edgeattr.load(options.model, runtime="onnxruntime", precision="fp32") as model:
        decision = model.bundle.decision(include_sensitive=True)
        for name, spoil in _spoils(images).items():
            scenes = [spoil(image) for image in images]
            assessments = [assess_crop(*scene) for scene in scenes]
            log_odds = decision.log_odds(_logits(model, scenes))
            trust = _trust(log_odds, labels, prior)
            whole = whole or trust
            wrong = 100 * ((log_odds > 0) != (labels > 0)).mean()
            spread = ", ".join(f"{value:.2f}" for value in _quantiles(assessments))
            print(f"| {name} | {wrong:.1f} | {min(1.0, trust / whole):.2f} | {spread} |")


def _spoils(images: list[Image]) -> dict[str, Callable[[Image], Scene]]:
    spoils: dict[str, Callable[[Image], Scene]] = {"as they are": _scene}
    for height in (16, 24, 32, 48, 64, 96):
        spoils[f"{height} pixels high"] = lambda image, h=height: _scene(_resized(image, h))
    for share in (0.005, 0.01, 0.015, 0.02, 0.03):
        spoils[f"blur of {100 * share:g} % of the height"] = lambda image, s=share: _scene(
            cv2.GaussianBlur(image, (0, 0), s * image.shape[0])
        )
    for share in (0.02, 0.05, 0.08):
        spoils[f"moved by {100 * share:g} % of the height"] = lambda image, s=share: _scene(
            cv2.blur(image, (max(1, round(s * image.shape[0])), 1))
        )
    for side in ("below", "above", "left"):
        for share in (0.2, 0.35, 0.5):
            name = f"{100 * share:g} % cut off {side}"
            spoils[name] = lambda image, w=side, s=share: _cut(image, w, s)
    for side in ("below", "left"):
        for share in (0.2, 0.4, 0.6):
            name = f"{100 * share:g} % covered {side}"
            spoils[name] = lambda image, w=side, s=share: _covered(image, w, s, images)
    return spoils


def _scene(image: Image) -> Scene:
    """The person, with room around it."""
    height, width = image.shape[:2]
    y, x = max(4, round(_PAD * height)), max(4, round(_PAD * width))
    frame = cv2.copyMakeBorder(image, y, y, x, x, cv2.BORDER_REPLICATE)
    return frame, TrackedBox(1, (x, y, x + width, y + height), 1.0), []


def _resized(image: Image, height: int) -> Image:
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _cut(image: Image, side: str, share: float) -> Scene:
    """The frame ends inside the person."""
    frame, person, _ = _scene(image)
    left, top, right, bottom = map(round, person.box)
    if side == "below":
        bottom = top + max(1, round((bottom - top) * (1 - share)))
        return frame[:bottom], TrackedBox(1, (left, top, right, bottom), 1.0), []
    if side == "above":
        first = top + round((bottom - top) * share)
        return frame[first:], TrackedBox(1, (left, 0, right, bottom - first), 1.0), []
    first = left + round((right - left) * share)
    return frame[:, first:], TrackedBox(1, (0, top, right - first, bottom), 1.0), []


def _covered(image: Image, side: str, share: float, others: list[Image]) -> Scene:
    """Someone else stands before the person."""
    frame, person, _ = _scene(image)
    left, top, right, bottom = map(round, person.box)
    other = cv2.resize(others[image.shape[0] * 7 % len(others)], (right - left, bottom - top))
    if side == "below":
        first = bottom - round((bottom - top) * share)
        frame[first:bottom, left:right] = other[first - top :]
        box = (left, first, right, bottom + 1)
    else:
        last = left + round((right - left) * share)
        frame[top:bottom, left:last] = other[:, : last - left]
        box = (left - (right - left) * (1 - share), top, last, bottom + 1)
    return frame, person, [TrackedBox(2, tuple(map(float, box)), 1.0)]


def _logits(model: edgeattr.AttributeModel, scenes: list[Scene]) -> npt.NDArray[np.float32]:
    crops = [crop_of(frame, person.box) for frame, person, _ in scenes]
    parts = [crops[start : start + _BATCH] for start in range(0, len(crops), _BATCH)]
    return np.concatenate([model.logits(part) for part in parts])


def _trust(
    log_odds: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int8],
    prior: npt.NDArray[np.float64],
) -> float:
    """The shrinking of log-odds that makes the labels likeliest."""
    losses = []
    for shrink in _SHRINKS:
        shrunk = prior + shrink * (log_odds - prior)
        losses.append(np.logaddexp(0, np.where(labels > 0, -shrunk, shrunk)).mean())
    return float(_SHRINKS[int(np.argmin(losses))])


def _quantiles(assessments: list[CropAssessment]) -> npt.NDArray[np.float64]:
    return np.quantile([assessment.quality for assessment in assessments], [0.1, 0.5, 0.9])


if __name__ == "__main__":
    main()
