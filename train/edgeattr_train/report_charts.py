"""Charts of a training run as SVG that is part of its page: curves, reliability, risk.

Figures are made without pyplot, so nothing is global: no window, no backend to choose, nothing
to close.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from edgeattr.core.errors import importing
from edgeattr.core.metrics import Reliability
from edgeattr_train.selective import ALL, CROPS, TRACKS, Selective

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Floats = npt.NDArray[np.float64]

# Colours that become the variables of the page's style, so that charts follow dark mode
_INK, _SOFT, _LINE, _BEFORE, _AFTER = "#1b2430", "#515c6b", "#d9dfe7", "#b4501c", "#2463a8"
_VARIABLES = {_INK: "ink", _SOFT: "soft", _LINE: "line", _BEFORE: "loss", _AFTER: "fill"}
_CURVES = (  # title, unit, the log's key
    ("Training loss", "summed over attributes", "loss"),
    ("mA, validation", "%", "mA"),
    ("F1, validation", "%", "f1"),
    ("mAP, validation", "%", "mAP"),
    ("Learning rate", "rate", "learning_rate"),
    ("Speed", "images/s", "images_per_second"),
)
_KINDS = (  # of answers, their name, colour and mark
    (ALL, "all persons, as they come", _SOFT, "D"),
    (CROPS, "persons with several images: single crops", _BEFORE, "s"),
    (TRACKS, "persons with several images: fused", _AFTER, "o"),
)


def training_curves(log: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """Loss, mA, F1, mAP, learning rate and speed by epoch.

    Args:
        log: one mapping per epoch; values that are absent or no numbers are left out.

    Returns:
        An ``svg`` element for each quantity of which the log holds a number.

    Raises:
        MissingDependency: Matplotlib is not installed.
    """
    epochs = np.array([_number(line, "epoch", place) for place, line in enumerate(log, 1)])
    curves = {key: np.array([_number(line, key) for line in log]) for _, _, key in _CURVES}
    quality = curves["mA"] + curves["f1"]
    best = epochs[np.nanargmax(quality)] if np.isfinite(quality).any() else math.nan
    return [
        _curve(title, unit, epochs, curves[key], best)
        for title, unit, key in _CURVES
        if np.isfinite(curves[key]).any()
    ]


def _curve(title: str, unit: str, epochs: _Floats, values: _Floats, best: float) -> Markup:
    figure, known = _figure(3.1, 2.5), np.isfinite(values)
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_subplot()
    axes.plot(epochs[known], values[known], color=_AFTER, marker="o", markersize=3)
    axes.set_title(title, fontsize=10, loc="left", fontweight="bold", color=_INK)
    axes.set_ylabel(unit, fontsize=9)
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
    axes.yaxis.set_major_formatter("{x:.4g}")
    at_best = values[(epochs == best) & known]
    if at_best.size:
        axes.axvline(best, color=_BEFORE, linewidth=1, linestyle="--")
        axes.set_title(f"{at_best[0]:.4g}", fontsize=9, loc="right", color=_BEFORE)
    return _svg(figure)


def reliability_chart(before: Reliability, after: Reliability) -> Markup:
    """What came true of what was said, before and after calibration, over the pairs' counts."""
    figure = _figure(5.6, 6.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=_SOFT, linewidth=1, linestyle=":", label="perfect")
    edges = np.linspace(0, 1, len(before.count) + 1)
    for name, bins, colour, mark in (
        ("before", before, _BEFORE, "s"),
        ("after", after, _AFTER, "o"),
    ):
        error = "n/a" if math.isnan(bins.error) else f"{bins.error:.2f} %"
        text = f"{name} calibration: ECE {error}"
        above.plot(bins.predicted, bins.observed, marker=mark, color=colour, label=text)
        below.stairs(np.maximum(bins.count, 0.5), edges, color=colour, linewidth=1.5)
    above.set_ylabel("share of these that are positive")
    above.set_ylim(-0.02, 1.02)
    above.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=_INK)
    below.set_yscale("log")
    below.set_ylim(0.8, 2 * max(2, int(before.count.max()), int(after.count.max())))
    below.set_ylabel("pairs in the bin")
    below.set_xlabel("probability that the model gives")
    below.set_xlim(-0.02, 1.02)
    return _svg(figure)


def risk_chart(selective: Selective) -> Markup:
    """Coverage against risk of three-way answers, and what each stated bound comes to."""
    figure = _figure(6.4, 4.6)
    axes = figure.add_subplot()
    for kind, name, colour, mark in _KINDS:
        if kind not in selective.curves:
            continue
        curve = selective.curves[kind]
        axes.plot(curve.coverage, curve.risk, color=colour, label=name)
        for point in selective.points[kind]:
            axes.plot(point.coverage, point.error, mark, color=colour, markersize=5)
            axes.annotate(
                f"{point.bound:g} %",
                (point.coverage, point.error),
                xytext=(4, -9) if kind == TRACKS else (-4, 5),
                textcoords="offset points",
                ha="left" if kind == TRACKS else "right",
                fontsize=8,
                color=colour,
            )
    axes.set_xlim(0, 101)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("answers that are not unknown, %")
    axes.set_ylabel("of these, wrong, %")
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=_INK)
    return _svg(figure)


def _figure(width: float, height: float) -> Figure:
    """An empty figure, inches."""
    with importing("matplotlib", extra="train", purpose="draw the training report"):
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: Figure) -> Markup:
    """The figure as an ``svg`` element, its colours variables of the page's style."""
    import matplotlib

    for axes in figure.axes:
        _style(axes)
    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :].replace("xlink:href", "href")
    text = re.sub(r' xmlns(:\w+)?="[^"]*"| id="[\w.]+_\d+"', "", text)  # nothing refers to them
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return Markup(text)


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_SOFT)
    axes.tick_params(labelsize=8.5, colors=_SOFT)
    axes.grid(True, color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(_INK)


def _number(line: Mapping[str, Any], key: str, absent: float = math.nan) -> float:
    value = line.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else absent
