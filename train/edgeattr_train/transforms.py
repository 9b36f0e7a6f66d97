"""Augmentation of one crop, on uint8 pixels, repeatable from its seed.

Beside the pixels it keeps book of what they still show: parts of the body that were cut off or
covered, and colours that a grey or dark picture no longer tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from edgeattr.core.crops import Image
from edgeattr_train.recipe_types import Share

_LEAST_ERASED = 0.02  # share of the crop
_FILL = (128, 128, 128)  # grey: zero after the model's normalisation
_CUT_BELOW, _CUT_BOTH = 0.6, 0.1  # shares of the cuts that take the lower part away, and both ends
_SIDE = 0.14  # share of the width beside a person where others and the street are to be seen
_DARKNESS = (0.15, 0.4)  # gain of a picture as of night
# where head, upper body, lower body and feet begin and end in a crop of a whole person, as shares
# of its height, and which share of a part must be there for it to count as visible
_BODY = np.array([[0.0, 0.17, 0.5, 0.92], [0.16, 0.5, 0.9, 1.0], [0.5, 0.45, 0.35, 0.5]])
_UNSURE = 0.12  # around that share nothing is said


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How crops are varied in training; probabilities 0..1."""

    flip: Share = 0.5  # probability of mirroring left and right
    shift: Share = 0.06  # largest shift, as a share of the crop's sides
    scale: Share = 0.1  # largest change of size: 0.1 means 0.9..1.1
    brightness: Share = 0.25  # largest change of gain, common to the three channels
    colour: Share = 0.08  # largest further change of each channel's gain
    degrade: Share = 0.1  # probability of a down-and-up scaling, as of a far camera
    degrade_least: Share = 0.3  # smallest size of that, as a share of the crop's sides
    blur: Share = 0.0  # probability of blurring
    compress: Share = 0.0  # probability of JPEG artefacts
    saturation: Share = 0.0  # largest change of the saturation: 0.5 means 0.5..1.5
    gamma: Share = 0.0  # largest change of the tone curve's exponent, as its logarithm
    grey: Share = 0.0  # probability of a picture without colours
    dark: Share = 0.0  # probability of a picture as of night
    cut: Share = 0.0  # probability of cutting off the lower part of the person, the upper or both
    cover: Share = 0.0  # probability of an occluder across the whole width, from below
    erase: Share = 0.35  # probability of erasing a rectangle
    erase_area: Annotated[float, Meta(ge=_LEAST_ERASED, le=1)] = 0.2  # largest, of the crop


@dataclass(frozen=True, eq=False)
class AugmentedImage:
    """One crop after augmentation."""

    crop: Image  # uint8 [h, w, 3]
    visible: npt.NDArray[np.float32]  # [4] of edgeattr.core.schema.PARTS: 1, 0, or -1 unknown
    coloured: bool  # whether colours can still be told


def augment(image: Image, options: Augmentation, rng: np.random.Generator) -> AugmentedImage:
    """Vary one crop of a whole person.

    Args:
        image: uint8 [h, w, 3], BGR, already at the model's input size.
        options: what to do.
        rng: source of all randomness.

    Returns:
        A new array, and what it shows.
    """
    top, bottom = _kept_rows(options, rng)
    image, top, bottom = _warp(image, options, rng, top, bottom)
    if rng.random() < options.degrade:
        image = _degrade(image, options.degrade_least, rng)
    image, coloured = _recolour(image, options, rng)
    image = _spoil(image, options, rng)
    hidden = _hide(image, options, rng)
    if rng.random() < options.erase:
        _erase(image, options.erase_area, rng)
    shown = top + (1 - hidden) * (bottom - top)
    return AugmentedImage(image, _visible(top, shown), coloured)


def _kept_rows(options: Augmentation, rng: np.random.Generator) -> tuple[float, float]:
    """Which share of the crop's height stays, from and to, 0..1."""
    if rng.random() >= options.cut:
        return 0.0, 1.0
    way = rng.random()
    if way < _CUT_BELOW:
        return 0.0, float(rng.uniform(0.3, 0.95))
    if way < _CUT_BELOW + _CUT_BOTH:
        top = float(rng.uniform(0.05, 0.5))
        return top, top + float(rng.uniform(0.25, 0.45))
    return float(rng.uniform(0.05, 0.75)), 1.0  # up to a pair of legs


def _warp(
    image: Image, options: Augmentation, rng: np.random.Generator, top: float, bottom: float
) -> tuple[Image, float, float]:
    """Cut, mirror, scale about the centre and shift, in one interpolation; rows that are shown."""
    height, width = image.shape[:2]
    scale_y, scale_x = rng.uniform(1 - options.scale, 1 + options.scale, 2)
    shift_y, shift_x = rng.uniform(-options.shift, options.shift, 2) * (height, width)
    whole = (top, bottom) == (0.0, 1.0)
    if not whole:  # the cut stays where it is
        scale_y, shift_y = max(scale_y, 1.0), 0.0
    stretch = scale_y / (bottom - top)
    if rng.random() < options.flip:
        scale_x = -scale_x
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    middle = (top + bottom) / 2 * (height - 1)
    matrix = np.array(
        [
            [scale_x, 0, centre_x - scale_x * centre_x + shift_x],
            [0, stretch, centre_y - stretch * middle + shift_y],
        ]
    )
    warped = cv2.warpAffine(image, matrix, (width, height), borderValue=_FILL)
    reach, moved = 0.5 / stretch, shift_y / height / stretch
    middle = (top + bottom) / 2 - moved
    shown = max(0.0, middle - reach), min(1.0, middle + reach)
    return warped.astype(np.uint8, copy=False), *shown


def _degrade(image: Image, least: float, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    factor = rng.uniform(least, 0.7)
    small = cv2.resize(image, (max(1, int(width * factor)), max(1, int(height * factor))))
    return cv2.resize(small, (width, height)).astype(np.uint8, copy=False)


def _recolour(image: Image, options: Augmentation, rng: np.random.Generator) -> tuple[Image, bool]:
    """Light, white balance, saturation and tone curve; whether colours can still be told."""
    gain = rng.uniform(1 - options.brightness, 1 + options.brightness)
    gains = gain * rng.uniform(1 - options.colour, 1 + options.colour, 3)
    exponent = np.exp(rng.uniform(-options.gamma, options.gamma))
    dark = options.dark > 0 and rng.random() < options.dark
    if dark:
        gains = gains * rng.uniform(*_DARKNESS)
    levels = 255 * (np.arange(256)[:, None] / 255) ** exponent * gains
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)[:, None, :]
    image = cv2.LUT(image, table).astype(np.uint8, copy=False)
    grey = options.grey > 0 and rng.random() < options.grey
    if grey or options.saturation:
        kept = 0.0 if grey else rng.uniform(1 - options.saturation, 1 + options.saturation)
        luma = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        image = cv2.addWeighted(image, kept, luma, 1 - kept, 0).astype(np.uint8, copy=False)
    return image, not (dark or grey)


def _spoil(image: Image, options: Augmentation, rng: np.random.Generator) -> Image:
    """Blur and compression, as other cameras have them."""
    if options.blur and rng.random() < options.blur:
        sigma = rng.uniform(0.4, 1.4) * image.shape[0] / 128
        image = cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8, copy=False)
    if options.compress and rng.random() < options.compress:
        quality = int(rng.integers(25, 85))
        content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
        assert decoded is not None
        image = decoded.astype(np.uint8, copy=False)
    return image


def _hide(image: Image, options: Augmentation, rng: np.random.Generator) -> float:
    """Cover the lower rows by a smooth surface or by what stands at a side; their share, 0..1."""
    if not options.cover or rng.random() >= options.cover:
        return 0.0
    share = float(rng.uniform(0.1, 0.55))
    height, width = image.shape[:2]
    rows = round(share * height)
    surface = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    if rng.random() < 0.5:
        side = max(2, round(_SIDE * width))
        surface = (image[:, :side] if rng.random() < 0.5 else image[:, -side:]).copy()
    image[height - rows :] = cv2.resize(surface, (width, rows), interpolation=cv2.INTER_LINEAR)
    return share


def _visible(top: float, bottom: float) -> npt.NDArray[np.float32]:
    """Of each part whether enough of it lies between two heights of the person, 0..1."""
    starts, ends, enough = _BODY
    seen = np.clip(np.minimum(ends, bottom) - np.maximum(starts, top), 0, None) / (ends - starts)
    unsure = np.abs(seen - enough) < _UNSURE
    return np.where(unsure, -1.0, seen >= enough).astype(np.float32)


def _erase(image: Image, largest: float, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    area = rng.uniform(_LEAST_ERASED, largest) * height * width
    aspect = np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
    rows = int(np.clip(np.sqrt(area * aspect), 1, height))
    columns = int(np.clip(np.sqrt(area / aspect), 1, width))
    top = int(rng.integers(0, height - rows + 1))
    left = int(rng.integers(0, width - columns + 1))
    image[top : top + rows, left : left + columns] = rng.integers(0, 256, (rows, columns, 3))
