"""One page for one person: the crop, and for each attribute its masks at every scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeattr.core.prediction import AttributeAnswer
from edgeattr.explain.attention_maps import Explanation
from edgeattr.explain.heatmap import TICKS, colour_bar, overlay
from edgeattr.report import jpeg_uri, render

__all__ = ["explanation_page"]

_BAR = (14, 260)  # height and width of the colour bar, pixels


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
