"""Pictures made of crops, as PNG files in memory: where the model looks, and where it errs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr_train.plots import BEFORE, MUTED, label, new_figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AttentionSample", "Mistake", "attention_maps", "mistake_sheet"]

_HEIGHT, _WIDTH = 256, 128  # pixels that a crop is shown in
_COLUMNS = 8  # of the sheet of mistakes
_GREY = 0.7  # brightness of the crop under a mask
_HEAT = 0.75  # how much of the crop the highest place of a mask covers


@dataclass(frozen=True, eq=False, kw_only=True)
class AttentionSample:
    """One crop, and where one attribute looked in it."""

    crop: Image
    masks: tuple[npt.NDArray[np.floating], ...]  # one per scale, [h, w] each, 0 or above
    probability: float  # of the attribute, 0..1


@dataclass(frozen=True, eq=False, kw_only=True)
class Mistake:
    """One attribute of one crop that was answered wrongly."""

    crop: Image
    name: str  # of the attribute
    truth: bool  # the label
    probability: float  # that the model gave to a yes, 0..1


def attention_maps(rows: Sequence[tuple[str, Sequence[AttentionSample]]]) -> bytes:
    """Crops with their masks laid over them: a row per attribute, samples side by side.

    Args:
        rows: name of the attribute, its samples; at least one row with one sample.
    """
    scales = max(len(sample.masks) for _, samples in rows for sample in samples)
    across = max(len(samples) for _, samples in rows)
    width = across * (1 + scales)
    figure = new_figure(1.0 * width + 1.1, 2.15 * len(rows) + 0.1)
    grid = figure.subplots(len(rows), width, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, (name, samples) in zip(grid, rows, strict=True):
        row[0].text(
            -0.12, 0.5, label(name), transform=row[0].transAxes, rotation=90, ha="right",
            va="center", fontsize=10, fontweight="bold", parse_math=False,
        )  # fmt: skip
        for place, sample in enumerate(samples):
            _show_sample(row[place * (1 + scales) : (place + 1) * (1 + scales)], sample)
    return png(figure)


def mistake_sheet(mistakes: Sequence[Mistake]) -> bytes:
    """Crops with what was labelled and what the model said; at least one."""
    columns = min(_COLUMNS, len(mistakes))
    rows = -(-len(mistakes) // columns)
    figure = new_figure(1.35 * max(3, columns), 2.75 * rows)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, mistake in zip(figure.axes, mistakes, strict=False):
        axes.imshow(_shown(mistake.crop))
        axes.set_title(label(mistake.name), fontsize=8, fontweight="bold", parse_math=False)
        text = f"labelled {'yes' if mistake.truth else 'no'}\np(yes) {mistake.probability:.3f}"
        axes.text(
            0.5, -0.03, text, transform=axes.transAxes, ha="center", va="top", fontsize=8,
            color=BEFORE,
        )  # fmt: skip
    return png(figure)


def _show_sample(row: npt.NDArray[np.object_], sample: AttentionSample) -> None:
    _show(row[0], sample.crop, f"p = {sample.probability:.2f}")
    for axes, mask in zip(row[1:], sample.masks, strict=False):
        _show(axes, _overlay(sample.crop, mask), f"{mask.shape[0]} x {mask.shape[1]}")


def _show(axes: Axes, picture: Image, title: str) -> None:
    axes.imshow(_shown(picture))
    axes.set_title(title, fontsize=8, color=MUTED, pad=2)


def _overlay(crop: Image, mask: npt.NDArray[np.floating]) -> Image:
    """The crop in dark grey, lit where the mask is high: its highest place is brightest."""
    height, width = crop.shape[:2]
    values = mask.astype(np.float32)
    smooth = cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC)
    strength = np.clip(smooth / max(float(values.max()), 1e-12), 0, 1)
    heat = cv2.applyColorMap((255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO)
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    alpha = _HEAT * strength[:, :, None]
    return np.asarray(_GREY * grey * (1 - alpha) + heat * alpha).astype(np.uint8)


def _shown(crop: Image) -> Image:
    """Red-green-blue, as large as fits a cell, centred on white, [_HEIGHT, _WIDTH, 3]."""
    height, width = crop.shape[:2]
    scale = min(_HEIGHT / height, _WIDTH / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    top, left = (_HEIGHT - size[1]) // 2, (_WIDTH - size[0]) // 2
    canvas = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = resized[:, :, ::-1]
    return canvas
