"""One page for one person: the crop, and for each attribute its masks at every scale.

A mask's colours over the crop tell how many times its even share a place gets: 1 where attention
is spread evenly. So a mask that prefers nothing looks flat, and is not stretched until it seems to.
The scale is logarithmic and the same for all masks; its colours are perceptually uniform
(inferno).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeattr.core.crops import Image
from edgeattr.core.prediction import AttributeAnswer
from edgeattr.explain.attention_maps import Explanation
from edgeattr.report import jpeg_uri, render

_BAR = (14, 260)  # height and width of the colour bar, pixels
_FULL = 16.0  # times an even share that has the last colour
_GREY = 0.75  # brightness of the crop under the colours
_LEAST, _MOST = 0.15, 0.8  # of the picture that colours cover, from no attention to the most


def explanation_page(
    explanation: Explanation,
    title: str,
    notes: Sequence[str] = (),
    *,
    answers: Mapping[str, AttributeAnswer] | None = None,
    all_attributes: bool = False,
) -> str:
    """Render an explanation as HTML that holds its images: a tile for each attribute answered yes.

    What tells the person from others comes first, as in the labels of records.

    Args:
        explanation: of one crop.
        title: such as the file's name.
        notes: lines about the model and the crop.
        answers: of the person, if more was seen than this crop: they are shown, and this crop's
            probabilities beside them.
        all_attributes: render a tile for every reported attribute.
    """
    own = explanation.prediction.attributes
    shown = answers or own
    names = [name for name in explanation.masks if all_attributes or shown[name].answer == "yes"]
    ranks = {label.name: rank for rank, label in enumerate(explanation.ranking.labels(shown))}
    names.sort(key=lambda name: (ranks.get(name, len(ranks)), -shown[name].p))
    bar, places = colour_bar(*_BAR)
    return render(
        Path(__file__).with_name("explanation.html"),
        title=title,
        notes=notes,
        crop=jpeg_uri(explanation.crop),
        bar=jpeg_uri(bar),
        ticks=[(tick, 100 * place / _BAR[1]) for tick, place in zip(TICKS, places, strict=True)],
        tiles=[
            {
                "name": explanation.ranking.words(name),
                "answer": shown[name],
                "own": own[name] if answers else None,
                "maps": _maps(explanation, name),
            }
            for name in names
        ],
    )


def _maps(explanation: Explanation, name: str) -> list[dict[str, Any]]:
    """The crop under each scale's mask, and under their mean."""
    masks = list(explanation.upsampled(name))
    labels = [f"stride {grid.stride}: {grid.rows}x{grid.columns}" for grid in explanation.grids]
    if len(masks) > 1:
        masks.append(np.mean(masks, axis=0, dtype=np.float32))
        labels.append("mean")
    return [
        {"image": jpeg_uri(overlay(explanation.crop, mask)), "label": label}
        for mask, label in zip(masks, labels, strict=True)
    ]


TICKS = (0, 1, 2, 4, 8, 16)  # times an even share, of the colour bar


def overlay(crop: Image, mask: npt.NDArray[np.float32]) -> Image:
    """Lay a mask over a crop.

    Args:
        crop: uint8 [H, W, 3], BGR.
        mask: [H, W], sums to 1.

    Returns:
        uint8 [H, W, 3]: the crop in grey, coloured.
    """
    strength = _strength(mask * np.float32(mask.size))
    alpha = np.float32(_LEAST) + np.float32(_MOST - _LEAST) * strength
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    beneath = np.float32(_GREY) * grey * (1 - alpha)
    mixed = _colours(strength) * alpha[:, :, None] + beneath[:, :, None]
    return np.asarray(mixed + np.float32(0.5), np.uint8)  # a mean of colours: within 0..255


def colour_bar(height: int, width: int) -> tuple[Image, list[float]]:
    """The scale from left to right, and where :data:`TICKS` lie on it.

    Args:
        height, width: of the bar, pixels.

    Returns:
        uint8 [height, width, 3], and for each tick its place in pixels from the left.
    """
    ramp = np.tile(np.linspace(0.0, 1.0, width, dtype=np.float32), (height, 1))
    places = [float(_strength(np.float32(tick))) * (width - 1) for tick in TICKS]
    return _colours(ramp), places


def _strength(share: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Times an even share, 0 and up -> 0..1."""
    ratio = np.log1p(np.asarray(share, np.float32)) / np.log1p(np.float32(_FULL))
    return np.asarray(np.minimum(ratio, np.float32(1.0)), np.float32)


def _colours(strength: npt.NDArray[np.float32]) -> Image:
    levels = np.rint(255 * strength).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), np.uint8)
