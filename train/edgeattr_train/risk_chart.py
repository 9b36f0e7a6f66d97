"""Coverage against risk of three-way answers, as a PNG file in memory."""

from __future__ import annotations

from edgeattr_train.plots import AFTER, BEFORE, MUTED, new_figure, png
from edgeattr_train.selective import ALL, CROPS, TRACKS, Selective

__all__ = ["risk_chart"]

_KINDS = (
    (ALL, "all persons, as they come", MUTED, "D", "above"),
    (CROPS, "persons with several images: single crops", BEFORE, "s", "above"),
    (TRACKS, "persons with several images: fused", AFTER, "o", "below"),
)


def risk_chart(selective: Selective) -> bytes:
    """Curves, and beside them what each stated bound gives: a PNG file.

    Raises:
        MissingDependency: Matplotlib is not installed.
    """
    figure = new_figure(6.4, 4.6)
    axes = figure.add_subplot()
    for kind, name, colour, marker, side in _KINDS:
        if kind not in selective.curves:
            continue
        curve, points = selective.curves[kind], selective.points[kind]
        axes.plot(curve.coverage, curve.risk, color=colour, label=name)
        for point in points:
            axes.plot(point.coverage, point.error, marker, color=colour, markersize=5)
            axes.annotate(
                f"{point.bound:g} %",
                (point.coverage, point.error),
                xytext=(-4, 5) if side == "above" else (4, -9),
                textcoords="offset points",
                ha="right" if side == "above" else "left",
                fontsize=8,
                color=colour,
            )
    axes.set_xlim(0, 101)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("answers that are not unknown, %")
    axes.set_ylabel("of these, wrong, %")
    axes.legend(loc="upper left", frameon=False)
    return png(figure)
