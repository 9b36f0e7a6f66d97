"""Charts of a training run, as PNG files in memory: curves, attributes, reliability.

Figures are made without pyplot, so nothing is global: no window, no backend to choose, nothing
to close.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeattr.core.errors import MissingDependency
from edgeattr_train.reliability import BINS, Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "AFTER",
    "BEFORE",
    "MUTED",
    "attribute_bars",
    "label",
    "new_figure",
    "png",
    "reliability_chart",
    "training_curves",
]

_Floats = npt.NDArray[np.float64]

BEFORE, AFTER, MUTED = "#c2622d", "#2463a8", "#6b7280"  # told apart without colour vision too

_DPI = 110  # pixels an inch
_LONGEST_LABEL = 26  # characters
_ROW = 0.24  # inches of a bar chart for one attribute
_PERCENT = 100.0
_CURVES = (  # title, unit, the log's key
    ("Training loss", "summed over attributes", "loss"),
    ("mA, validation", "%", "mA"),
    ("F1, validation", "%", "f1"),
    ("mAP, validation", "%", "mAP"),
    ("Learning rate", "rate", "learning_rate"),
    ("Speed", "images/s", "images_per_second"),
)


def training_curves(log: Sequence[Mapping[str, Any]]) -> bytes | None:
    """What the log holds of loss, mA, F1, mAP, learning rate and speed, by epoch.

    Args:
        log: one mapping per epoch; values that are absent or no numbers are left out.

    Returns:
        A PNG file, or None where the log holds no number.
    """
    epochs = np.array([_number(line, "epoch", place + 1) for place, line in enumerate(log)])
    panels = []
    for title, unit, key in _CURVES:
        values = np.array([_number(line, key) for line in log])
        if np.isfinite(values).any():
            panels.append((title, unit, values))
    if not panels:
        return None
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(3.7 * columns, 2.8 * rows)
    best = _best_epoch(log, epochs)
    for place, (title, unit, values) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        _curve(axes, epochs, values, best)
        axes.set_title(title, fontsize=10, loc="left", fontweight="bold")
        axes.set_ylabel(unit, fontsize=9)
        axes.set_xlabel("epoch", fontsize=9)
    return png(figure)


def attribute_bars(
    names: Sequence[str], balanced: _Floats, precision: _Floats, share: _Floats
) -> bytes:
    """MA, AP and share of positives of each attribute, best mA first.

    Args:
        names: C of them.
        balanced: [C], mA, percent; NaN where undefined.
        precision: [C], AP, percent; NaN where undefined.
        share: [C], positives among the known labels, percent; NaN where none is known.
    """
    order = np.argsort(np.nan_to_num(balanced, nan=-1.0), kind="stable")
    rows = np.arange(len(order))
    figure = new_figure(9.0, 1.3 + _ROW * len(order))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    left.barh(rows, np.nan_to_num(balanced[order]), 0.62, color="#9dbfe3", label="mA")
    left.plot(precision[order], rows, "o", color=BEFORE, markersize=4.5, label="AP")
    left.axvline(50, color=MUTED, linewidth=0.8, linestyle=":")
    right.barh(rows, np.nan_to_num(share[order]), 0.62, color="#c9ced6")
    for row, place in enumerate(order):
        _figure_beside_bar(left, row, balanced[place], 0)
        _figure_beside_bar(right, row, share[place], np.nan_to_num(share[place]))
    left.set_yticks(rows, [label(names[place]) for place in order], parse_math=False)
    left.set_ylim(-0.7, len(order) - 0.3)
    left.set_xlim(0, 101)
    right.set_xlim(0, max(5.0, 1.3 * float(np.nan_to_num(share).max())))
    left.set_xlabel("mA and AP, % (chance mA: 50)")
    right.set_xlabel("positives, % of labels")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return png(figure)


def reliability_chart(before: Reliability, after: Reliability) -> bytes:
    """What came true of what was said, before and after calibration, over the pairs' counts."""
    figure = new_figure(5.6, 6.8)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":", label="perfect")
    edges = np.linspace(0, 1, BINS + 1)
    for name, bins, colour, marker in (
        ("before", before, BEFORE, "s"),
        ("after", after, AFTER, "o"),
    ):
        text = f"{name} calibration: ECE {_text(bins.error, 2)} %"
        above.plot(bins.predicted, bins.observed, marker=marker, color=colour, label=text)
        below.stairs(np.maximum(bins.count, 0.5), edges, color=colour, linewidth=1.5)
    above.set_ylabel("share of these that are positive")
    above.set_ylim(-0.02, 1.02)
    figure.legend(loc="outside upper left", frameon=False)
    below.set_yscale("log")
    below.set_ylim(0.8, 2 * max(2, int(before.count.max()), int(after.count.max())))
    below.set_ylabel("pairs in the bin")
    below.set_xlabel("probability that the model gives")
    below.set_xlim(-0.02, 1.02)
    return png(figure)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches.

    Raises:
        MissingDependency: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependency(
            "matplotlib", extra="train", purpose="draw the training report"
        ) from error
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; charts lose their upper and right frame."""
    for axes in figure.axes:
        if axes.axison:
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8.5)
            axes.grid(True, color="#e5e7eb", linewidth=0.6)
            axes.set_axisbelow(True)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI)
    return stream.getvalue()


def label(name: str) -> str:
    """A name as a picture shows it: words apart, not too long, in letters that the font has."""
    text = name.replace("_", " ").encode("ascii", "replace").decode()
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 2] + ".."


def _curve(axes: Axes, epochs: _Floats, values: _Floats, best: float) -> None:
    from matplotlib.ticker import MaxNLocator

    known = np.isfinite(values)
    axes.plot(epochs[known], values[known], color=AFTER, marker="o", markersize=3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
    axes.yaxis.set_major_formatter("{x:.4g}")
    if np.isfinite(best):
        axes.axvline(best, color=BEFORE, linewidth=1, linestyle="--")
        here = values[epochs == best]
        if here.size and np.isfinite(here[0]):
            axes.plot(best, here[0], "o", color=BEFORE, markersize=6)
            axes.set_title(f"{here[0]:.4g}", fontsize=9, loc="right", color=BEFORE)


def _best_epoch(log: Sequence[Mapping[str, Any]], epochs: _Floats) -> float:
    """The epoch of the highest mA + F1, or NaN."""
    quality = np.array([_number(line, "mA") + _number(line, "f1") for line in log])
    if not np.isfinite(quality).any():
        return math.nan
    return float(epochs[int(np.nanargmax(quality))])


def _number(line: Mapping[str, Any], key: str, absent: float = math.nan) -> float:
    value = line.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else absent


def _figure_beside_bar(axes: Axes, row: int, value: float, at: float) -> None:
    axes.text(at, row, f" {_text(value, 1)}", va="center", fontsize=8, color="#1f2937")


def _text(value: float, places: int) -> str:
    return "n/a" if math.isnan(value) else f"{value:.{places}f}"
