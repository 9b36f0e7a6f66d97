"""The conversion report's charts, drawn as SVG that stretches with the page.

Places across are percentages and places down are pixels, so that text keeps its size on a phone.
Colours are variables of the page's style; each is told by place, hatching or a mark as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeattr_convert.proof import AttributeChange, LayerError
from edgeattr_convert.report_tables import difference
from edgeattr_convert.report_text import change, figure, finite, plain

__all__ = ["BARS", "HATCHING", "attribute_bars", "layer_bars"]

BARS = 40  # attributes at most

_ROW = 22  # pixels of an attribute's row
_HEIGHT = 190  # pixels of the layers' plot
_TOP = 8  # pixels above it
_STRIP = 11  # pixels below it, for the marks of what stays in float
_TICKS = 20  # pixels below that
_MARKS = 5  # ticks of an axis, about
_WIDEST = 46  # pixels of a layer's bar and gap at most
_NARROWEST = 2.4  # pixels of them at least: beyond that the plot scrolls
_LEAST = 1.5  # pixels of a bar's height
_NOTHING = 1e-12  # what is smaller is drawn as zero
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)  # that ticks may be apart, times a power of ten


def attribute_bars(attributes: Sequence[AttributeChange]) -> str:
    """Change of each attribute's mA as a bar from zero, in the order given.

    Args:
        attributes: those whose change is defined, at least one; the first :data:`BARS` are shown.
    """
    shown = [(entry, difference(entry) or 0.0) for entry in attributes[:BARS]]
    least, most = (bound(0.0, *(value for _, value in shown)) for bound in (min, max))
    step = _step(most - least)
    low, high = step * math.floor(least / step), step * math.ceil(most / step)
    if low == high:
        low, high = -step, step
    rows = "".join(_attribute(entry, value, low, high) for entry, value in shown)
    return (
        f'<div class="bars">\n{rows}<span></span>{_across(low, high, step)}'
        "<span></span><span></span>\n</div>\n"
    )


def layer_bars(layers: Sequence[LayerError], label: str) -> str:
    """What quantizing each layer alone does, in the order of the graph.

    Args:
        layers: at least one.
        label: what is shown, plain text. The page must hold :data:`HATCHING` once, before it.
    """
    highest = max(finite(layer.error) or 0.0 for layer in layers)
    step = _step(highest)
    top = step * max(1, math.ceil(highest / step - 1e-9))
    bars = "".join(_layer(n, layer, 100 / len(layers), top) for n, layer in enumerate(layers))
    bottom = _TOP + _HEIGHT
    height = bottom + _STRIP + _TICKS
    return (
        f'<div class="scroll" role="region" aria-label="{plain(label)}" tabindex="0">\n'
        f'<div class="layers" style="'
        f"min-width: {max(240, round(_NARROWEST * len(layers)))}px; "
        f'max-width: {max(280, 64 + _WIDEST * len(layers))}px">\n'
        f'<svg width="52" height="{height}" aria-hidden="true">{_up(top, step)}</svg>\n'
        f'<svg height="{height}" role="img" aria-label="{plain(label)}">'
        f"{_lines(top, step)}{bars}"
        f'<line class="zero" x1="0" x2="100%" y1="{bottom}" y2="{bottom}"/>{_places(len(layers))}'
        f"</svg>\n</div>\n</div>\n{_LEGEND}"
    )


HATCHING = (
    '<svg width="0" height="0" style="position: absolute" aria-hidden="true"><defs>'
    '<pattern id="hatching" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="kept" width="6" height="6"/>'
    '<rect class="stripes" width="2" height="6"/></pattern></defs></svg>\n'
)
"""What fills the bars of layers that stay in float; invisible itself."""

_LEGEND = (
    '<p class="legend"><span><svg width="14" height="14" aria-hidden="true">'
    '<rect class="fill" width="14" height="14"/></svg> quantized in the end</span> '
    '<span><svg width="14" height="14" aria-hidden="true">'
    '<rect class="kept" x="1" y="1" width="12" height="12"/>'
    '<path class="stripe" d="M0 14L14 0M-3 7L7 -3M7 17L17 7"/></svg> '
    'kept in float (marked <svg width="9" height="9" aria-hidden="true">'
    '<path class="mark" d="M4.5 0L9 9H0Z"/></svg> below the axis)</span></p>\n'
)


def _attribute(entry: AttributeChange, value: float, low: float, high: float) -> str:
    """One row: name, bar, change, and the figures before and after."""
    zero, end = _percent(0.0, low, high), _percent(value, low, high)
    name, figures = plain(entry.name), f"{figure(entry.before, 1)} &rarr; {figure(entry.after, 1)}"
    return (
        f'<span class="name">{name}</span><svg height="{_ROW}" aria-hidden="true">'
        f"<title>{name}: {figures}</title>"
        f'<rect class="{"loss" if value < 0 else "fill"}" x="{min(zero, end):.2f}%" y="4" '
        f'width="{abs(end - zero):.2f}%" height="{_ROW - 8}"/>'
        f'<line class="zero" x1="{zero:.2f}%" x2="{zero:.2f}%" y1="0" y2="{_ROW}"/></svg>'
        f'<b>{change(value, 2)}</b><span class="muted">{figures}</span>\n'
    )


def _across(low: float, high: float, step: float) -> str:
    """The axis below the rows."""
    ticks = ""
    for place in range(round(low / step), round(high / step) + 1):
        x = _percent(place * step, low, high)
        anchor = "start" if x < 1 else "end" if x > 99 else "middle"
        kind = "" if anchor != "middle" or not place else ' class="minor"'  # not on a phone
        ticks += (
            f'<line class="zero" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="4"/>'
            f'<text{kind} x="{x:.2f}%" y="16" text-anchor="{anchor}">'
            f"{change(place * step, _places_for(step))}</text>"
        )
    return (
        f'<svg height="{_ROW}" aria-hidden="true"><line class="zero" x1="0" x2="100%" y1="0" '
        f'y2="0"/>{ticks}</svg>'
    )


def _layer(place: int, layer: LayerError, slot: float, top: float) -> str:
    """One bar with its tooltip in ``slot`` percent, and a mark where the layer stays in float."""
    error = finite(layer.error)
    paint = 'fill="url(#hatching)"' if layer.in_float else 'class="fill"'
    tall = max(_LEAST, _HEIGHT * error / top) if error is not None else 0.0
    bottom = _TOP + _HEIGHT
    mark = ""
    if layer.in_float:
        mark = (
            f'<svg class="point" x="{(place + 0.5) * slot:.3f}%" y="{bottom + 2}" width="1" '
            f'height="{_STRIP}"><path class="mark" d="M0 0L4 8H-4Z"/></svg>'
        )
    kept = "kept in float" if layer.in_float else "quantized in the end"
    return (
        f"<g><title>{place + 1}. {plain(layer.layer)}: {figure(layer.error, 4)}, {kept}</title>"
        f'<rect class="hit" x="{place * slot:.3f}%" y="{_TOP}" width="{slot:.3f}%" '
        f'height="{_HEIGHT + _STRIP}"/>'
        f'<rect {paint} x="{(place + 0.12) * slot:.3f}%" y="{bottom - tall:.1f}" '
        f'width="{0.76 * slot:.3f}%" height="{tall:.1f}"/>{mark}</g>\n'
    )


def _lines(top: float, step: float) -> str:
    lines = ""
    for place in range(1, round(top / step) + 1):
        y = _TOP + _HEIGHT * (1 - place * step / top)
        lines += f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
    return lines


def _up(top: float, step: float) -> str:
    """The figures beside the plot."""
    texts = ""
    for place in range(round(top / step) + 1):
        y = _TOP + _HEIGHT * (1 - place * step / top) + 4
        text = figure(place * step, _places_for(step))
        texts += f'<text x="46" y="{y:.1f}" text-anchor="end">{text}</text>'
    return texts


def _places(count: int) -> str:
    """The figures below the plot: places in the graph, from one."""
    every = max(1, round(_step(count))) if count > 2 * _MARKS else 1
    y = _TOP + _HEIGHT + _STRIP + 14
    return "".join(
        f'<text x="{(place - 0.5) * 100 / count:.3f}%" y="{y}" text-anchor="middle">{place}</text>'
        for place in range(1, count + 1)
        if place % every == 0 or place == 1
    )


def _step(span: float) -> float:
    """A round distance of ticks so that about :data:`_MARKS` of them cover ``span``."""
    if span < _NOTHING:
        return 1.0
    rough = span / _MARKS
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(step for step in _STEPS if step * power >= rough * (1 - 1e-9))


def _places_for(step: float) -> int:
    """Digits after the point that tell ticks apart."""
    return next(n for n in range(20) if abs(round(step, n) - step) < 1e-3 * step)


def _percent(value: float, low: float, high: float) -> float:
    return 100 * (value - low) / (high - low)
