"""Augmentation of one crop, on uint8 pixels, repeatable from its seed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgeattr.crops import Image

__all__ = ["Augmentation", "augment"]

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
    area = rng.uniform(0.02, largest) * height * width
    aspect = np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
    rows = int(np.clip(np.sqrt(area * aspect), 1, height))
    columns = int(np.clip(np.sqrt(area / aspect), 1, width))
    top = int(rng.integers(0, height - rows + 1))
    left = int(rng.integers(0, width - columns + 1))
    image[top : top + rows, left : left + columns] = rng.integers(0, 256, (rows, columns, 3))
