"""The conversion report's tables: variants side by side, attributes, layers, ways tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeattr_convert.proof import AttributeChange, ConversionRecord, LayerError, Proof, Speed
from edgeattr_convert.report_text import (
    ABSENT,
    badge,
    change,
    figure,
    finite,
    plain,
    share,
    size,
    table,
)

__all__ = ["WORST", "attribute_table", "difference", "layer_table", "tried_table", "variant_table"]

WORST = 10  # layers in the table

_ARROW = "&nbsp;&rarr;&nbsp;"

_Cell = Callable[[Proof], str]
_Line = tuple[str, _Cell]  # a row's label, HTML, and what its cells say
_Group = tuple[str, tuple[_Line, ...]]


def variant_table(record: ConversionRecord) -> str:
    """Every variant in a column of its own, against its parent."""
    head = "".join(
        f'<th scope="col">{plain(proof.variant)}<br><span class="muted">from '
        f"{plain(proof.parent)}</span></th>"
        for proof in record.proofs
    )
    columns = len(record.proofs) + 1
    groups = "".join(
        f'<tbody>\n<tr><th class="group" colspan="{columns}" scope="rowgroup">{title}</th></tr>\n'
        f"{''.join(_row(label, cell, record.proofs) for label, cell in rows)}</tbody>\n"
        for title, rows in _groups(record)
    )
    return (
        '<div class="scroll" role="region" aria-label="All variants" tabindex="0">\n'
        f'<table class="variants">\n<thead><tr><th scope="col">variant</th>{head}</tr></thead>\n'
        f"{groups}</table>\n</div>\n"
    )


def attribute_table(attributes: Sequence[AttributeChange]) -> str:
    """Every attribute, in the order given."""
    rows = [
        (
            plain(entry.name),
            figure(entry.before, 2),
            figure(entry.after, 2),
            change(difference(entry), 2),
            figure(entry.flips, 2),
        )
        for entry in attributes
    ]
    head = ("attribute", "mA before, %", "mA after, %", "change, points", "flips, %")
    return table("Every attribute", head, rows)


def difference(entry: AttributeChange) -> float | None:
    """Change of an attribute's mA in points, negative where it fell; None where undefined."""
    before, after = finite(entry.before), finite(entry.after)
    return None if before is None or after is None else after - before


def layer_table(layers: Sequence[LayerError]) -> str:
    """The layers that quantization hurts most, and where in the graph they are."""
    order = sorted(range(len(layers)), key=lambda place: -_error(layers[place]))
    rows = [
        (
            f'<span class="layer">{plain(layers[place].layer).replace("/", "/<wbr>")}</span>',
            str(place + 1),
            figure(layers[place].error, 4),
            "float" if layers[place].in_float else "quantized",
        )
        for place in order[:WORST]
    ]
    head = ("layer", "place", "RMS error", "in the end")
    return table("The layers that are hurt most", head, rows)


def tried_table(tried: Mapping[str, float]) -> str:
    """Ways to quantize, the least error first, which is marked."""
    order = sorted(tried.items(), key=lambda item: (finite(item[1]) is None, item[1]))
    least = finite(order[0][1])
    rows = [
        (
            plain(name),
            figure(error, 4),
            '<span class="badge met">&#10003; least error</span>'
            if least is not None and error == least
            else "",
        )
        for name, error in order
    ]
    return table("Ways tried", ("way", "RMS error of the logits", ""), rows)


def _groups(record: ConversionRecord) -> tuple[_Group, ...]:
    """The table's groups of rows, with the contract's limits in their labels."""
    limit = figure(record.max_drop, 2)
    fast = figure(record.min_speedup or None, 2, "&times; of the parent&rsquo;s")
    accuracy: tuple[_Line, ...] = (
        ("measured on", _data),
        ("mA, %", lambda proof: _both(proof, "mA")),
        (f"drop of mA (limit {limit})", lambda proof: _drop(proof, "mA")),
        ("F1, %", lambda proof: _both(proof, "f1")),
        (f"drop of F1 (limit {limit})", lambda proof: _drop(proof, "f1")),
    )
    return (
        ("Verdict", (("contract", lambda proof: badge(proof.met)),)),
        ("Size", _SIZE),
        ("Closeness to the parent", _CLOSENESS),
        ("Accuracy on held data, drops in points", accuracy),
        (f"Speed (limit: {fast})", _SPEED),
    )


def _row(label: str, cell: _Cell, proofs: Sequence[Proof]) -> str:
    cells = "".join(f"<td>{cell(proof)}</td>" for proof in proofs)
    return f'<tr><th scope="row">{label}</th>{cells}</tr>\n'


def _timed(say: Callable[[Speed], str]) -> _Cell:
    """A cell about the speed, or "n/a" where none was measured."""
    return lambda proof: say(proof.speed) if proof.speed else ABSENT


_SIZE: tuple[_Line, ...] = (
    ("file", lambda proof: size(proof.bytes)),
    ("of its parent&rsquo;s", lambda proof: share(proof.bytes, proof.parent_bytes)),
)
_CLOSENESS: tuple[_Line, ...] = (
    ("parity: largest change of a logit", lambda proof: figure(proof.parity, 4)),
    ("tolerance", lambda proof: figure(proof.tolerance, 4)),
    ("decisions that flip", lambda proof: figure(proof.flips, 2, "&nbsp;%")),
)
_SPEED: tuple[_Line, ...] = (
    ("speedup", _timed(lambda speed: f"<b>{figure(speed.speedup, 2, '&times;')}</b>")),
    (
        "its 95&nbsp;% interval",
        _timed(lambda speed: f"{figure(speed.low, 2)} to {figure(speed.high, 2)}"),
    ),
    (
        "crops a second",
        _timed(
            lambda speed: (
                figure(speed.parent_crops_per_second, 1)
                + _ARROW
                + figure(speed.crops_per_second, 1)
            )
        ),
    ),
    ("crops a call", _timed(lambda speed: str(speed.batch))),
    (
        "latency of one crop, ms",
        _timed(
            lambda speed: figure(speed.parent_latency_ms, 2) + _ARROW + figure(speed.latency_ms, 2)
        ),
    ),
    ("timed on", _timed(lambda speed: plain(speed.device))),
)


def _both(proof: Proof, key: str) -> str:
    before, after = figure(proof.before.get(key), 2), figure(proof.after.get(key), 2)
    return ABSENT if before == after == ABSENT else before + _ARROW + after


def _drop(proof: Proof, key: str) -> str:
    before, after = finite(proof.before.get(key)), finite(proof.after.get(key))
    if before is None or after is None:
        return ABSENT
    return figure(before - after, 2) + (" (a gain)" if round(after - before, 2) > 0 else "")


def _data(proof: Proof) -> str:
    facts: dict[str, Any] = {**proof.before, **proof.after}
    named = " ".join(plain(facts[key]) for key in ("dataset", "split") if facts.get(key))
    images = f"{plain(facts['images'])} images" if facts.get("images") else ""
    return ", ".join(filter(None, (named, images))) or ABSENT


def _error(layer: LayerError) -> float:
    """For sorting: what is no number comes first, as it is worst of all."""
    error = finite(layer.error)
    return float("inf") if error is None else error
