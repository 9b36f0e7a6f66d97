"""Augmentation of one crop, on uint8 pixels, repeatable from its seed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.core.errors import UsageError

__all__ = ["Augmentation", "Blend", "augment", "draw_blend"]

_LEAST_ERASED = 0.02  # share of the crop
_FILL = (128, 128, 128)  # grey: zero after the model's normalisation


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How crops are varied in training; probabilities 0..1."""

    flip: float = 0.5  # probability of mirroring left and right
    shift: float = 0.06  # largest shift, as a share of the crop's sides
    scale: float = 0.1  # largest change of size: 0.1 means 0.9..1.1
    brightness: float = 0.25  # largest change of gain, common to the three channels
    colour: float = 0.08  # largest further change of each channel's gain
    degrade: float = 0.1  # probability of a down-and-up scaling, as of a far camera
    erase: float = 0.35  # probability of erasing a rectangle
    erase_area: float = 0.2  # largest share of the crop that is erased
    mix: float = 0.0  # probability that a batch is blended with itself in another order
    mix_shape: float = 0.4  # of the blend's Beta distribution

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, above = getattr(self, field.name), 0.0
            if field.name == "erase_area":
                above = _LEAST_ERASED
            if not above <= value <= 1 or (field.name == "mix_shape" and value == 0):
                raise UsageError(f"augment.{field.name}={value}; expected {above:g}..1")


def augment(image: Image, options: Augmentation, rng: np.random.Generator) -> Image:
    """Vary one crop.

    Args:
        image: uint8 [h, w, 3], BGR, already at the model's input size.
        options: what to do.
        rng: source of all randomness.

    Returns:
        uint8 [h, w, 3], a new array.
    """
    image = _warp(image, options, rng)
    if rng.random() < options.degrade:
        image = _degrade(image, rng)
    gain = rng.uniform(1 - options.brightness, 1 + options.brightness)
    gains = gain * rng.uniform(1 - options.colour, 1 + options.colour, 3)
    table = np.arange(256)[:, None] * gains
    image = cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[:, None, :])  # type: ignore[assignment]
    if rng.random() < options.erase:
        _erase(image, options.erase_area, rng)
    return image


@dataclass(frozen=True, eq=False)
class Blend:
    """Each crop of a batch blended with another of the batch, all by one share."""

    share: float  # of the crop itself, 0.5..1
    other: npt.NDArray[np.int64]  # [n], which crop is blended into it

    def crops(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """uint8 [n, H, W, 3] -> the same."""
        if self.share == 1:
            return crops
        return np.rint(self.values(crops.astype(np.float32))).astype(np.uint8)

    def values(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Anything [n, ...], blended as the crops are."""
        if self.share == 1:
            return values
        return (self.share * values + (1 - self.share) * values[self.other]).astype(np.float32)

    def labels(self, labels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """[n, C], 0..1 or negative where unknown: a blend with an unknown label is unknown."""
        if self.share == 1:
            return labels
        known = (labels >= 0) & (labels[self.other] >= 0)
        return np.where(known, self.values(labels), -1.0).astype(np.float32)


def draw_blend(count: int, options: Augmentation, rng: np.random.Generator) -> Blend:
    """Decide how a batch of ``count`` crops is blended (Zhang et al., ICLR 2018)."""
    share = 1.0
    if rng.random() < options.mix:
        share = float(rng.beta(options.mix_shape, options.mix_shape))
    return Blend(max(share, 1 - share), rng.permutation(count).astype(np.int64))


def _warp(image: Image, options: Augmentation, rng: np.random.Generator) -> Image:
    """Mirror, scale about the centre and shift, in one interpolation."""
    height, width = image.shape[:2]
    scale_y, scale_x = rng.uniform(1 - options.scale, 1 + options.scale, 2)
    shift_y, shift_x = rng.uniform(-options.shift, options.shift, 2) * (height, width)
    if rng.random() < options.flip:
        scale_x = -scale_x
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    matrix = np.array(
        [
            [scale_x, 0, centre_x - scale_x * centre_x + shift_x],
            [0, scale_y, centre_y - scale_y * centre_y + shift_y],
        ]
    )
    warped = cv2.warpAffine(image, matrix, (width, height), borderValue=_FILL)
    return warped.astype(np.uint8, copy=False)


def _degrade(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    factor = rng.uniform(0.3, 0.7)
    small = cv2.resize(image, (max(1, int(width * factor)), max(1, int(height * factor))))
    return cv2.resize(small, (width, height)).astype(np.uint8, copy=False)


def _erase(image: Image, largest: float, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    area = rng.uniform(_LEAST_ERASED, largest) * height * width
    aspect = np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
    rows = int(np.clip(np.sqrt(area * aspect), 1, height))
    columns = int(np.clip(np.sqrt(area / aspect), 1, width))
    top = int(rng.integers(0, height - rows + 1))
    left = int(rng.integers(0, width - columns + 1))
    image[top : top + rows, left : left + columns] = rng.integers(0, 256, (rows, columns, 3))
